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
		Strategy    struct {
			Type          string
			RollingUpdate struct {
				MaxSurge       *int `yaml:"maxSurge"`
				MaxUnavailable *int `yaml:"maxUnavailable"`
			} `yaml:"rollingUpdate"`
		}
		// Of a PodDisruptionBudget.
		MaxUnavailable int `yaml:"maxUnavailable"`
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
		database `yaml:",inline"`
	}
}

// database is what CloudNativePG calls a Cluster.
type database struct {
	Instances  int
	PostgreSQL struct {
		Synchronous struct {
			Method         string
			Number         int
			DataDurability string `yaml:"dataDurability"`
			FailoverQuorum bool   `yaml:"failoverQuorum"`
		}
	} `yaml:"postgresql"`
	Bootstrap struct {
		Initdb struct {
			Database, Owner string
			DataChecksums   bool `yaml:"dataChecksums"`
		}
	}
	Affinity struct {
		Enable   bool   `yaml:"enablePodAntiAffinity"`
		Topology string `yaml:"topologyKey"`
		Type     string `yaml:"podAntiAffinityType"`
	}
	Storage    struct{ Size string }
	WALStorage struct{ Size string } `yaml:"walStorage"`
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
	Affinity struct {
		Apart struct {
			Required []struct {
				Topology string `yaml:"topologyKey"`
				Labels   struct {
					Match map[string]string `yaml:"matchLabels"`
				} `yaml:"labelSelector"`
			} `yaml:"requiredDuringSchedulingIgnoredDuringExecution"`
		} `yaml:"podAntiAffinity"`
	}
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
	EmptyDir  *struct{} `yaml:"emptyDir"`
	Projected struct {
		DefaultMode int `yaml:"defaultMode"`
		Sources     []struct {
			Secret struct {
				Name  string
				Items []struct{ Key, Path string }
			}
		}
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
	Lifecycle      struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	}
	Resources resources
	Security  struct {
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
