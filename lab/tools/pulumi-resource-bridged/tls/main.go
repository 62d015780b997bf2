// pulumi-resource-tls: the hashicorp/tls provider behind the Pulumi Terraform bridge.
package main

import (
	"context"

	"github.com/hashicorp/terraform-provider-tls/internal/provider"
	bridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
)

// version is stamped by the linker.
var version = "0.0.0"

func main() {
	info := tfbridge.ProviderInfo{
		Name:         "tls",
		Version:      version,
		P:            bridge.ShimProvider(provider.New()),
		MetadataInfo: tfbridge.NewProviderMetadata(nil),
	}
	info.MustComputeTokens(tokens.SingleModule("tls_", "index", tokens.MakeStandard("tls")))
	bridge.Main(context.Background(), "tls", info, bridge.ProviderMetadata{PackageSchema: []byte("{}")})
}
