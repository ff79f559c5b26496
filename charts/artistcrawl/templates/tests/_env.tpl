{{/* What the test is told. Takes (list $ namespace). */}}
{{- define "artistcrawl.testEnv" -}}
{{- $root := index . 0 -}}
{{- $secret := include "artistcrawl.backendsSecret" $root -}}
- {name: TEST_NAMESPACE, value: {{ index . 1 | quote }}}
- {name: TEST_NAME, value: {{ printf "%s-test" (include "artistcrawl.fullname" $root) | quote }}}
- {name: TEST_BACKENDS, value: {{ $secret | quote }}}
- {name: TEST_TIMEOUT_S, value: {{ $root.Values.test.timeoutSeconds | quote }}}
- name: ARTISTCRAWL_POSTGRES_URL
  valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: postgres-url}}
{{- end -}}
