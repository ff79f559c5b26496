{{/* Names, labels, images and checks that several templates need. */}}

{{- define "artistcrawl.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a pod is found by: never changes in a release's life. Takes (list $ "component"). */}}
{{- define "artistcrawl.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: artistcrawl
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "artistcrawl.labels" -}}
{{- $root := index . 0 -}}
{{ include "artistcrawl.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: artistcrawl
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* On pods: nothing that a newer chart changes, or an upgrade would restart what it does not concern. */}}
{{- define "artistcrawl.podLabels" -}}
{{- $root := index . 0 -}}
{{ include "artistcrawl.selectorLabels" . }}
app.kubernetes.io/part-of: artistcrawl
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The whole `annotations:` of an object; nothing where there are none. Takes (list $ dict...). */}}
{{- define "artistcrawl.annotations" -}}
{{- $root := index . 0 -}}
{{- $all := dict -}}
{{- range rest . -}}{{- $all = merge $all . -}}{{- end -}}
{{- $all = merge $all $root.Values.commonAnnotations -}}
{{- with $all }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An image's full name. Takes (list $ image). */}}
{{- define "artistcrawl.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $registry := default $image.registry $root.Values.global.imageRegistry -}}
{{- with $registry -}}{{ trimSuffix "/" . }}/{{- end -}}
{{- $image.repository -}}
{{- if $image.digest -}}@{{ $image.digest }}{{- else -}}:{{ default $root.Chart.AppVersion $image.tag }}{{- end -}}
{{- end -}}

{{- define "artistcrawl.imagePullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "artistcrawl.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (printf "%s-operator" (include "artistcrawl.fullname" .)) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.create is false: write the name of your ServiceAccount into serviceAccount.name" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The Lease that the operators of this release hold in turn, and those of no other. */}}
{{- define "artistcrawl.leaseName" -}}
{{ include "artistcrawl.fullname" . }}-operator
{{- end -}}

{{/* The watched namespaces as a JSON list: empty with watch.allNamespaces. */}}
{{- define "artistcrawl.namespaces" -}}
{{- if .Values.watch.allNamespaces -}}[]
{{- else if .Values.watch.namespaces -}}{{ .Values.watch.namespaces | uniq | sortAlpha | toJson }}
{{- else -}}{{ list .Release.Namespace | toJson }}
{{- end -}}
{{- end -}}

{{- define "artistcrawl.sandboxEnabled" -}}
{{- if or .Values.demo.enabled .Values.sandbox.enabled -}}true{{- end -}}
{{- end -}}

{{- define "artistcrawl.sandboxUrl" -}}
{{- if include "artistcrawl.sandboxEnabled" . -}}
http://{{ include "artistcrawl.fullname" . }}-sandbox.{{ .Release.Namespace }}.svc:8080
{{- end -}}
{{- end -}}

{{/* The Secret that `helm test` and NOTES.txt speak of. */}}
{{- define "artistcrawl.backendsSecret" -}}
{{- default .Values.backends.secretName .Values.backends.existingSecret -}}
{{- end -}}

{{/* A container that the restricted Pod Security Standard accepts. */}}
{{- define "artistcrawl.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The pod-wide part of it. Takes (list user group). */}}
{{- define "artistcrawl.restrictedPod" -}}
runAsNonRoot: true
runAsUser: {{ index . 0 }}
runAsGroup: {{ index . 0 }}
fsGroup: {{ index . 0 }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* What the schema cannot say. */}}
{{- define "artistcrawl.check" -}}
{{- if and .Values.watch.allNamespaces .Values.watch.namespaces -}}
{{- fail "watch.allNamespaces and watch.namespaces exclude each other: leave one of them out" -}}
{{- end -}}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled -}}
{{- fail "metrics.podMonitor and metrics.serviceMonitor would scrape everything twice: enable one of them" -}}
{{- end -}}
{{- if eq (int .Values.metrics.port) 8080 -}}
{{- fail "metrics.port: probes are answered on 8080: choose another port" -}}
{{- end -}}
{{- $selecting := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" -}}
{{- $ours := concat $selecting (list "app.kubernetes.io/part-of" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart") -}}
{{- range $name, $_ := .Values.commonLabels -}}
{{- if has $name $ours -}}{{- fail (printf "commonLabels: %s is the chart's own: leave it out" $name) -}}{{- end -}}
{{- end -}}
{{- range $name, $_ := .Values.podLabels -}}
{{- if or (has $name (append $selecting "app.kubernetes.io/part-of")) (hasKey $.Values.commonLabels $name) -}}
{{- fail (printf "podLabels: %s is there already (the chart's own, or in commonLabels): leave it out" $name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := .Values.worker.labels -}}
{{- if has $name (list "app.kubernetes.io/name" "app.kubernetes.io/component" "app.kubernetes.io/managed-by" "artistcrawl.dev/crawljob") -}}
{{- fail (printf "worker.labels: %s is what the operator finds workers by: leave it out" $name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := .Values.worker.env -}}
{{- if has $name (list "POD_NAME" "NODE_ADDRESS" "ARTISTCRAWL_POSTGRES_URL" "ARTISTCRAWL_REDIS_URL" "ARTISTCRAWL_METRICS_PORT") -}}
{{- fail (printf "worker.env: the operator sets %s itself: leave it out" $name) -}}
{{- end -}}
{{- end -}}
{{- if ne (empty .Values.backends.postgresUrl) (empty .Values.backends.redisUrl) -}}
{{- fail "backends.postgresUrl and backends.redisUrl make a Secret together: give both, or neither" -}}
{{- end -}}
{{- if and .Values.backends.existingSecret .Values.backends.postgresUrl -}}
{{- fail "backends.existingSecret is yours, backends.postgresUrl and redisUrl make one: give either" -}}
{{- end -}}
{{- if and .Values.demo.enabled (or .Values.backends.postgresUrl .Values.backends.existingSecret) -}}
{{- fail "demo.enabled brings its own PostgreSQL and Redis: leave backends.* out, or set demo.enabled=false (and sandbox.enabled=true for the sandbox alone)" -}}
{{- end -}}
{{- end -}}
