{{/* Room is left for what follows: `-CHECK`, and the 11 characters that a CronJob's Jobs add to its name. */}}
{{- define "kibertas-rs.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $whole := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $whole .Values.fullnameOverride | trunc 36 | trimSuffix "-" }}
{{- end }}

{{/* The WorkflowTemplate of the Rollout operations, and its ServiceAccount. */}}
{{- define "kibertas-rs.rolloutOperations" -}}
{{ include "kibertas-rs.fullname" . }}-rollout-operations
{{- end }}

{{- define "kibertas-rs.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kibertas-rs.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "kibertas-rs.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "kibertas-rs.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ printf "%s@%s" .repository .digest }}{{ else }}{{ printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}{{ end }}
{{- end }}
{{- end }}

{{/*
What runs by itself, as a YAML list: one for all checks, or one per check. Each has a name, which is also its
ServiceAccount's, and the checks whose permissions it has; `asked` are the names on its command line.
*/}}
{{- define "kibertas-rs.units" -}}
{{- $fullname := include "kibertas-rs.fullname" . }}
{{- $declared := (include "kibertas-rs.declared" . | fromYaml).checks }}
{{- if eq .Values.jobPer "check" }}
{{- if not .Values.checks }}{{ fail "jobPer: check needs the names of the checks in `checks`" }}{{ end }}
{{- range .Values.checks }}
- {name: {{ $fullname }}-{{ . }}, asked: [{{ . }}], checks: [{{ . }}]}
{{- end }}
{{- else }}
{{- $names := list }}{{ range $declared }}{{ $names = append $names .name }}{{ end }}
- {name: {{ $fullname }}, asked: {{ .Values.checks | toJson }}, checks: {{ default $names .Values.checks | toJson }}}
{{- end }}
{{- end }}

{{- define "kibertas-rs.serviceAccountName" -}}
{{- if .root.Values.serviceAccount.create }}{{ .unit.name }}{{ else }}{{ required "serviceAccount.name is needed where serviceAccount.create is false" .root.Values.serviceAccount.name }}{{ end }}
{{- end }}
