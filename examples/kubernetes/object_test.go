package kubernetes_test

// object has every field that the manifests use, spelt as Kubernetes does.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   metadata
	Spec       struct {
		AccessModes []string `yaml:"accessModes"`
		Resources   resources
		Replicas    int
		ServiceName string `yaml:"serviceName"`
		Strategy    struct{ Type string }
		// Labels of a Service, and matchLabels of what runs pods.
		Selector map[string]any
		Template struct {
			Metadata metadata
			Spec     podSpec
		}
		Claims []claim `yaml:"volumeClaimTemplates"`
		Ports  []struct {
			Name       string
			Port       int
			TargetPort string `yaml:"targetPort"`
		}
	}
}

type metadata struct {
	Name                string
	Labels, Annotations map[string]string
}

type claim struct {
	Metadata metadata
	Spec     struct {
		AccessModes []string `yaml:"accessModes"`
		Resources   resources
	}
}

type resources struct{ Requests, Limits map[string]string }

type podSpec struct {
	Token    *bool `yaml:"automountServiceAccountToken"`
	Links    *bool `yaml:"enableServiceLinks"`
	Grace    int   `yaml:"terminationGracePeriodSeconds"`
	Security struct {
		NonRoot      bool                  `yaml:"runAsNonRoot"`
		User         int                   `yaml:"runAsUser"`
		Group        int                   `yaml:"runAsGroup"`
		FSGroup      int                   `yaml:"fsGroup"`
		ChangePolicy string                `yaml:"fsGroupChangePolicy"`
		Seccomp      struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	InitContainers []container `yaml:"initContainers"`
	Containers     []container
	Volumes        []volume
}

type volume struct {
	Name  string
	Claim struct {
		ClaimName string `yaml:"claimName"`
	} `yaml:"persistentVolumeClaim"`
	Secret struct {
		SecretName  string `yaml:"secretName"`
		DefaultMode int    `yaml:"defaultMode"`
	}
}

type container struct {
	Name, Image   string
	RestartPolicy string `yaml:"restartPolicy"`
	Env           []struct{ Name, Value string }
	Ports         []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	StartupProbe   *probe `yaml:"startupProbe"`
	LivenessProbe  *probe `yaml:"livenessProbe"`
	ReadinessProbe *probe `yaml:"readinessProbe"`
	Resources      resources
	Security       struct {
		Escalation   *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnly     bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities struct{ Drop []string }
	} `yaml:"securityContext"`
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

func (c container) env(name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	TCP     struct{ Port int }          `yaml:"tcpSocket"`
	Period  int                         `yaml:"periodSeconds"`
	Failure int                         `yaml:"failureThreshold"`
	Timeout int                         `yaml:"timeoutSeconds"`
}
