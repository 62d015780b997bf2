// The Pulumi Kubernetes provider. The published module lacks the generated files that
// its own main embeds; the lab's build puts the module's schema beside this file.
package main

import (
	_ "embed"
	"fmt"
	"os"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var terraformMapping []byte

// version is stamped by the linker.
var version = "0.0.0"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println(version)
		return
	}
	provider.Serve("kubernetes", version, schema, terraformMapping)
}
