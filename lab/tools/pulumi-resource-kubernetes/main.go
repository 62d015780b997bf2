// The Pulumi Kubernetes provider. The published module lacks the generated files that
// its own main embeds; the lab's build puts the module's schema beside this file.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var terraformMapping []byte

// version is stamped by the linker.
var version = "0.0.0"

func main() { provider.Serve("kubernetes", version, schema, terraformMapping) }
