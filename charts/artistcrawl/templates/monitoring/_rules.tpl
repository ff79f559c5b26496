{{/*
The alerts of files/rules/*.yaml as JSON, a list of groups, with what prometheusRule.* changes. Those are Prometheus's own
rule files: they are read as data, so that their {{ ... }} stay what they are.
*/}}
{{- define "artistcrawl.ruleGroups" -}}
{{- $values := .Values.prometheusRule -}}
{{- $groups := list -}}
{{- $alerts := list -}}
{{- $severities := list -}}
{{- range $path, $_ := .Files.Glob "files/rules/*.yaml" -}}
{{- range ($.Files.Get $path | fromYaml).groups -}}
{{- $rules := list -}}
{{- range .rules -}}
{{- if .alert -}}
{{- $alerts = append $alerts .alert -}}
{{- with dig "labels" "severity" "" . -}}{{- $severities = append $severities . -}}{{- end -}}
{{- end -}}
{{- if not (has (default "" .alert) $values.excludeAlerts) -}}
{{- $rules = append $rules (include "artistcrawl.rule" (list $ .) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- if $rules -}}
{{- $groups = append $groups (merge (dict "rules" $rules) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $values.excludeAlerts -}}
{{- if not (has . $alerts) -}}
{{- fail (printf "prometheusRule.excludeAlerts: there is no alert %s; write some of %s" . (sortAlpha $alerts | uniq | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- range $severity, $_ := $values.severities -}}
{{- if not (has $severity $severities) -}}
{{- fail (printf "prometheusRule.severities: no alert is %s; write some of %s" $severity (sortAlpha $severities | uniq | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- $groups | toJson -}}
{{- end -}}

{{/* One rule. Takes (list $ rule). */}}
{{- define "artistcrawl.rule" -}}
{{- $root := index . 0 -}}
{{- $values := $root.Values.prometheusRule -}}
{{- $rule := index . 1 -}}
{{- if $rule.alert -}}
{{- $severity := dig "labels" "severity" "" $rule -}}
{{- $ours := ternary (dict "severity" (get $values.severities $severity)) dict (hasKey $values.severities $severity) -}}
{{- $_ := set $rule "labels" (merge (dict) $values.alertLabels $ours (default dict $rule.labels)) -}}
{{- if and $root.Values.runbookUrl (dig "annotations" "runbook_url" "" $rule) -}}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s/%s" (trimSuffix "/" $root.Values.runbookUrl) (base $rule.annotations.runbook_url)) -}}
{{- end -}}
{{- end -}}
{{- $rule | toJson -}}
{{- end -}}
