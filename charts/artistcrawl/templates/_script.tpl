{{/*
A pod that runs one of files/scripts in the operator's image, with a service account of its own: for hooks. A pod and no
Job, for `helm test --logs` reads pods only. Takes a dict: root, name, namespace (its own), hook, deletePolicy, script,
env (YAML text), deadline_s, rules (YAML text), and namespaces where the rules hold (a list; empty: everywhere).
*/}}
{{- define "artistcrawl.script" -}}
{{- $root := .root -}}
{{- $labels := include "artistcrawl.labels" (list $root .name) -}}
{{- $name := printf "%s-%s" (include "artistcrawl.fullname" $root) .name -}}
{{- $clusterName := printf "%s-%s" $root.Release.Namespace $name | trunc 63 | trimSuffix "-" -}}
{{- /* `helm test --logs` takes every hook of a test for a pod: the test's account is an ordinary part of the release. */ -}}
{{- $before := dict -}}
{{- if ne .hook "test" -}}
{{- $before = dict "helm.sh/hook" .hook "helm.sh/hook-weight" "-5" "helm.sh/hook-delete-policy" .deletePolicy -}}
{{- end -}}
{{- $subjects := list (dict "kind" "ServiceAccount" "name" $name "namespace" .namespace) -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ .namespace }}
  labels:
    {{- $labels | nindent 4 }}
  {{- include "artistcrawl.annotations" (list $root $before) | nindent 2 }}
automountServiceAccountToken: false
{{- $rules := .rules }}
{{- range .namespaces }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ . }}
  labels:
    {{- $labels | nindent 4 }}
  {{- include "artistcrawl.annotations" (list $root $before) | nindent 2 }}
rules:
  {{- $rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ . }}
  labels:
    {{- $labels | nindent 4 }}
  {{- include "artistcrawl.annotations" (list $root $before) | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects:
  {{- toYaml $subjects | nindent 2 }}
{{- else }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $clusterName }}
  labels:
    {{- $labels | nindent 4 }}
  {{- include "artistcrawl.annotations" (list $root $before) | nindent 2 }}
rules:
  {{- $rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $clusterName }}
  labels:
    {{- $labels | nindent 4 }}
  {{- include "artistcrawl.annotations" (list $root $before) | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ $clusterName }}}
subjects:
  {{- toYaml $subjects | nindent 2 }}
{{- end }}
---
apiVersion: v1
kind: Pod
metadata:
  name: {{ $name }}
  namespace: {{ .namespace }}
  labels:
    {{- $labels | nindent 4 }}
  {{- /* No NetworkPolicy: it lives for seconds, and after an uninstall, when every policy is gone. */}}
  {{- $pod := dict "helm.sh/hook" .hook "helm.sh/hook-delete-policy" .deletePolicy "kube-score/ignore" "pod-networkpolicy" }}
  {{- include "artistcrawl.annotations" (list $root $pod) | nindent 2 }}
spec:
  activeDeadlineSeconds: {{ .deadline_s }}
  serviceAccountName: {{ $name }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  restartPolicy: Never
  {{- include "artistcrawl.imagePullSecrets" $root | nindent 2 }}
  securityContext:
    {{- toYaml $root.Values.podSecurityContext | nindent 4 }}
  containers:
    - name: {{ .name }}
      image: {{ include "artistcrawl.image" (list $root $root.Values.image) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: [python, -c]
      args:
        - |
          {{- $root.Files.Get (printf "files/scripts/%s" .script) | nindent 10 }}
      env:
        {{- .env | nindent 8 }}
      resources:
        requests: {cpu: 50m, memory: 64Mi, ephemeral-storage: 16Mi}
        limits: {memory: 256Mi, ephemeral-storage: 64Mi}
      securityContext:
        {{- toYaml $root.Values.securityContext | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 16Mi}
  {{- with $root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
