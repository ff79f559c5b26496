{{/* What the operator is told: crawl_operator's settings read exactly these. */}}
{{- define "artistcrawl.operatorEnv" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: ARTISTCRAWL_NAMESPACES
  value: {{ include "artistcrawl.namespaces" . | fromJsonArray | join "," | quote }}
- name: ARTISTCRAWL_WORKER_IMAGE
  value: {{ include "artistcrawl.image" (list . .Values.worker.image) | quote }}
- name: ARTISTCRAWL_WORKER_IMAGE_PULL_POLICY
  value: {{ .Values.worker.image.pullPolicy }}
- name: ARTISTCRAWL_WORKER_IMAGE_PULL_SECRETS
  value: {{ concat .Values.global.imagePullSecrets .Values.worker.imagePullSecrets | uniq | join "," | quote }}
- name: ARTISTCRAWL_WORKER_SERVICE_ACCOUNT
  value: {{ .Values.worker.serviceAccountName | quote }}
- name: ARTISTCRAWL_WORKER_LABELS
  value: {{ .Values.worker.labels | toJson | quote }}
- name: ARTISTCRAWL_WORKER_ANNOTATIONS
  value: {{ .Values.worker.annotations | toJson | quote }}
- name: ARTISTCRAWL_WORKER_ENVIRONMENT
  value: {{ .Values.worker.env | toJson | quote }}
- name: ARTISTCRAWL_SANDBOX_URL
  value: {{ include "artistcrawl.sandboxUrl" . | quote }}
- name: ARTISTCRAWL_LEASE_NAME
  value: {{ include "artistcrawl.leaseName" . }}
- name: ARTISTCRAWL_METRICS_PORT
  value: {{ .Values.metrics.port | quote }}
- name: ARTISTCRAWL_LOG_FORMAT
  value: {{ .Values.log.format }}
- name: ARTISTCRAWL_LOG_LEVEL
  value: {{ .Values.log.level }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
