{{/*
What PodMonitors and ServiceMonitors have in common. Takes a dict of root, kind, name, component (whose pods), namespaces
(to look in; none: all) and values.
*/}}
{{- define "artistcrawl.monitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  namespace: {{ default .root.Release.Namespace .values.namespace }}
  labels:
    {{- include "artistcrawl.labels" (list .root .component) | nindent 4 }}
    {{- with .values.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- include "artistcrawl.annotations" (list .root .values.annotations) | nindent 2 }}
spec:
  # One job, as it is called without the Prometheus operator too.
  jobLabel: app.kubernetes.io/name
  namespaceSelector:
    {{- if .namespaces }}
    matchNames: {{ .namespaces | toJson }}
    {{- else }}
    any: true
    {{- end }}
  selector:
    matchLabels:
      {{- .selector | nindent 6 }}
  {{ ternary "podMetricsEndpoints" "endpoints" (eq .kind "PodMonitor") }}:
    - port: metrics
      # The series of a CrawlJob say whose they are; the pod's namespace must not take the place of theirs.
      honorLabels: true
      {{- with .values.interval }}
      interval: {{ . }}
      {{- end }}
      {{- with .values.scrapeTimeout }}
      scrapeTimeout: {{ . }}
      {{- end }}
      {{- with .values.relabelings }}
      relabelings:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.metricRelabelings }}
      metricRelabelings:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
