{{/* The capture networks: which interface of the pod is which, and what is refused of them. */}}

{{/* A list, as YAML, of {name, namespace, interface, resource, network} for each attachment. */}}
{{- define "bateleur.attachments" -}}
{{- $root := . -}}
{{- $seen := dict -}}
{{- if not .Values.capture.hostNetwork -}}
{{- range $at, $network := .Values.capture.networks -}}
{{- $count := $network.count | default 1 | int -}}
{{- $interface := $network.interface | default (printf "cap%d" $at) -}}
{{- $namespace := $root.Release.Namespace -}}
{{- $nad := printf "%s-%s" (include "bateleur.fullname" $root) $network.name -}}
{{- if $network.existing -}}
{{- $nad = last (splitList "/" $network.existing) -}}
{{- if contains "/" $network.existing }}{{ $namespace = first (splitList "/" $network.existing) }}{{ end -}}
{{- end -}}
{{- if hasKey $seen (printf "network %s" $network.name) -}}
{{- fail (printf "capture.networks: two networks are called %s" $network.name) -}}
{{- end -}}
{{- $_ := set $seen (printf "network %s" $network.name) true -}}
{{- range $number := until $count -}}
{{- $name := ternary $interface (printf "%s-%d" $interface $number) (eq $count 1) -}}
{{- if hasKey $seen $name -}}
{{- fail (printf "capture.networks: two interfaces of the pod are called %s" $name) -}}
{{- end -}}
{{- $_ := set $seen $name true }}
- name: {{ $nad | quote }}
  namespace: {{ $namespace | quote }}
  interface: {{ $name | quote }}
  resource: {{ include "bateleur.resource" (list $root $network) | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The resource of a network's devices, or nothing: (list . NETWORK). */}}
{{- define "bateleur.resource" -}}
{{- $root := index . 0 -}}
{{- $network := index . 1 -}}
{{- if (dig "operator" "enabled" false $network) -}}
{{ $root.Values.sriov.operatorPrefix }}/{{ include "bateleur.resourceName" . }}
{{- else -}}
{{ $network.resource | default "" }}
{{- end -}}
{{- end -}}

{{/* The operator's name of it, in which a hyphen may not be. */}}
{{- define "bateleur.resourceName" -}}
{{- printf "%s-%s" (include "bateleur.fullname" (index . 0)) (index . 1).name | replace "-" "_" | replace "." "_" -}}
{{- end -}}

{{/* Resources of the device plugins, each with how many of it: YAML. */}}
{{- define "bateleur.devices" -}}
{{- $counts := dict -}}
{{- range include "bateleur.attachments" . | fromYamlArray -}}
{{- if .resource -}}
{{- $_ := set $counts .resource (add1 (get $counts .resource | default 0)) -}}
{{- end -}}
{{- end -}}
{{- range $resource, $count := $counts }}
{{ $resource }}: {{ $count | quote }}
{{- end }}
{{- end -}}

{{/* What sensor.yaml says of them: capture.interfaces. */}}
{{- define "bateleur.interfaces" -}}
{{- if .Values.capture.hostNetwork -}}
{{- $method := .Values.capture.method -}}
{{- range .Values.capture.hostInterfaces }}
- name: {{ . | quote }}
  method: {{ $method }}
{{- end }}
{{- else -}}
{{- $root := . -}}
{{- range .Values.capture.networks -}}
{{- $nad := .existing | default (printf "%s-%s" (include "bateleur.fullname" $root) .name) }}
- name: {{ printf "network:%s" $nad | quote }}
  method: {{ .method | default $root.Values.capture.method }}
  {{- with .queues }}
  queues: {{ . | int }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The configuration of a network's CNI plugin: (list . NETWORK). */}}
{{- define "bateleur.cni" -}}
{{- $root := index . 0 -}}
{{- $network := index . 1 -}}
{{- $cni := dict "cniVersion" "1.0.0" "type" $network.type
    "name" (printf "%s-%s" (include "bateleur.fullname" $root) $network.name) -}}
{{- if eq $network.type "sriov" -}}
{{- $_ := set $cni "spoofchk" ($network.spoofCheck | default "off") -}}
{{- $_ := set $cni "trust" ($network.trust | default "on") -}}
{{- $_ := set $cni "link_state" ($network.linkState | default "enable") -}}
{{- range $key := list "vlan" "vlanQoS" -}}
{{- if hasKey $network $key }}{{ $_ := set $cni $key (get $network $key | int) }}{{ end -}}
{{- end -}}
{{- with $network.vlanProto }}{{ $_ := set $cni "vlanProto" . }}{{ end -}}
{{- else if eq $network.type "host-device" -}}
{{- with $network.device }}{{ $_ := set $cni "device" . }}{{ end -}}
{{- with $network.pciAddress }}{{ $_ := set $cni "pciBusID" . }}{{ end -}}
{{- else if eq $network.type "macvlan" -}}
{{- $_ := set $cni "master" $network.device -}}
{{- $_ := set $cni "mode" ($network.mode | default "passthru") -}}
{{- else if eq $network.type "ovs" -}}
{{- $_ := set $cni "bridge" $network.device -}}
{{- if hasKey $network "vlan" }}{{ $_ := set $cni "vlan" ($network.vlan | int) }}{{ end -}}
{{- $trunk := list -}}
{{- range $network.trunk -}}
{{- $ends := toString . | splitList "-" -}}
{{- if eq (len $ends) 2 -}}
{{- $trunk = append $trunk (dict "minID" (index $ends 0 | int) "maxID" (index $ends 1 | int)) -}}
{{- else -}}
{{- $trunk = append $trunk (dict "id" (index $ends 0 | int)) -}}
{{- end -}}
{{- end -}}
{{- with $trunk }}{{ $_ := set $cni "trunk" . }}{{ end -}}
{{- else if eq $network.type "afxdp" -}}
{{- $_ := set $cni "cniVersion" "0.3.0" -}}
{{- $_ := set $cni "mode" "primary" -}}
{{- end -}}
{{- if and $network.mtu (has $network.type (list "macvlan" "ovs")) -}}
{{- $_ := set $cni "mtu" ($network.mtu | int) -}}
{{- end -}}
{{- mergeOverwrite $cni (deepCopy ($network.config | default dict)) | toJson -}}
{{- end -}}

{{/* The annotation that Multus reads. */}}
{{- define "bateleur.annotation" -}}
{{- $all := list -}}
{{- range include "bateleur.attachments" . | fromYamlArray -}}
{{- $all = append $all (dict "name" .name "namespace" .namespace "interface" .interface) -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}
