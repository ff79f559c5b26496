{{/*
The demo's passwords as YAML: the given ones, else those of the installed Secret, else new ones. A render asks several
times and must get one answer, so the first one is remembered in the values.
*/}}
{{- define "artistcrawl.demoPasswords" -}}
{{- if not (hasKey .Values.demo "passwords") -}}
{{- $name := printf "%s-demo" (include "artistcrawl.fullname" .) -}}
{{- $found := default dict (lookup "v1" "Secret" .Release.Namespace $name).data -}}
{{- $passwords := dict -}}
{{- range $server := list "postgres" "redis" -}}
{{- $given := (index $.Values.demo $server).password -}}
{{- $kept := index $found (printf "%s-password" $server) | default "" | b64dec -}}
{{- $_ := set $passwords $server (coalesce $given $kept (randAlphaNum 24)) -}}
{{- end -}}
{{- $_ := set .Values.demo "passwords" $passwords -}}
{{- end -}}
{{- toYaml .Values.demo.passwords -}}
{{- end -}}
