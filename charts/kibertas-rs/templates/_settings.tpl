{{/* What the checks declare; generated, see files/checks.yaml. */}}
{{- define "kibertas-rs.declared" -}}
{{ .Files.Get "files/checks.yaml" }}
{{- end }}

{{/*
The text that a setting has, as the program will resolve it: environment, then `config`, then its default.
Takes root, scope (a check's name, or empty for the harness's own settings) and setting (key, env, default).
*/}}
{{- define "kibertas-rs.setting" -}}
{{- $text := default "" .setting.default }}
{{- $in := .root.Values.config }}
{{- if .scope }}{{ $in = get (default dict $in.checks) .scope | default dict }}{{ end }}
{{- $given := get $in .setting.key }}
{{- if not (or (kindIs "invalid" $given) (eq (toString $given) "")) }}{{ $text = toString $given }}{{ end }}
{{- range $name := reverse .setting.env }}
{{- with get $.root.Values.env $name }}{{ $text = toString . }}{{ end }}
{{- range $.root.Values.extraEnv }}{{ if and (eq .name $name) .value }}{{ $text = toString .value }}{{ end }}{{ end }}
{{- end }}
{{- $text }}
{{- end }}

{{/* One of the harness's own settings. Takes root and key. */}}
{{- define "kibertas-rs.ownSetting" -}}
{{- $key := .key }}
{{- range (include "kibertas-rs.declared" .root | fromYaml).settings }}
{{- if eq .key $key }}{{ include "kibertas-rs.setting" (dict "root" $.root "scope" "" "setting" .) }}{{ end }}
{{- end }}
{{- end }}

{{/* One setting of a check. Takes root, check (as declared) and key. */}}
{{- define "kibertas-rs.checkSetting" -}}
{{- $key := .key }}
{{- range .check.settings }}
{{- if eq .key $key }}{{ include "kibertas-rs.setting" (dict "root" $.root "scope" $.check.name "setting" .) }}{{ end }}
{{- end }}
{{- end }}

{{/* A flag in its one spelling; any other text as it is. */}}
{{- define "kibertas-rs.plain" -}}
{{- if has . (list "true" "TRUE" "True" "t" "T" "1") }}true{{ else if has . (list "false" "FALSE" "False" "f" "F" "0") }}false{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* A time such as 90s, 1h30m or 15 (minutes) in whole seconds, rounded up. */}}
{{- define "kibertas-rs.seconds" -}}
{{- if regexMatch "^[0-9]+$" . }}{{ mul (regexReplaceAll "^0+([0-9])" . "${1}" | int64) 60 }}
{{- else }}
{{- if not (regexMatch "^([0-9]+(ms|s|m|h))+$" .) }}{{ fail (printf "%q should be a time such as 90s, 15m or 1h30m" .) }}{{ end }}
{{- $milliseconds := 0 }}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 }}
{{- /* A leading zero would make it octal. */}}
{{- $number := regexReplaceAll "^0+([0-9])" (regexFind "^[0-9]+" .) "${1}" | int64 }}
{{- $unit := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+$" .) }}
{{- $milliseconds = add $milliseconds (mul $number $unit) }}
{{- end }}
{{- div (add $milliseconds 999) 1000 }}
{{- end }}
{{- end }}

{{/* What the clean-up may take, in seconds. */}}
{{- define "kibertas-rs.cleanUpSeconds" -}}
{{- include "kibertas-rs.seconds" (include "kibertas-rs.ownSetting" (dict "root" . "key" "cleanupTimeout")) }}
{{- end }}

{{/*
What a whole run may take, in seconds: checks run side by side, so the longest counts, with its long waits; then the
clean-up; and before all that the image and the node. Takes root and unit.
*/}}
{{- define "kibertas-rs.deadlineSeconds" -}}
{{- $timeout := include "kibertas-rs.seconds" (include "kibertas-rs.ownSetting" (dict "root" .root "key" "timeout")) | int64 }}
{{- $longest := 0 }}
{{- range $check := (include "kibertas-rs.declared" .root | fromYaml).checks }}
{{- if has $check.name $.unit.checks }}
{{- $waits := 0 }}
{{- range $check.longWaits }}
{{- $setting := dict "root" $.root "check" $check }}
{{- $asked := true }}
{{- if .flag }}
{{- $asked = eq "true" (include "kibertas-rs.plain" (include "kibertas-rs.checkSetting" (merge (dict "key" .flag) $setting))) }}
{{- end }}
{{- $limit := include "kibertas-rs.checkSetting" (merge (dict "key" .limit) $setting) }}
{{- if and $asked (ne "" (trim $limit)) }}
{{- $waits = add $waits .besidesSeconds (include "kibertas-rs.seconds" $limit | int64) }}
{{- end }}
{{- end }}
{{- $longest = max $longest $waits }}
{{- end }}
{{- end }}
{{- add $timeout $longest (include "kibertas-rs.cleanUpSeconds" .root | int64) .root.Values.startupSeconds }}
{{- end }}
