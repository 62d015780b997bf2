// pulumi-resource-vault: the hashicorp/vault provider behind the Pulumi Terraform bridge,
// with the names that @pulumi/vault uses.
package main

import (
	"github.com/hashicorp/terraform-provider-vault/vault"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
)

// version is stamped by the linker.
var version = "0.0.0"

// Terraform's module prefixes and the modules of @pulumi/vault that they became.
var modules = map[string]string{
	"approle_":    "appRole",
	"database_":   "database",
	"generic_":    "generic",
	"identity_":   "identity",
	"jwt_":        "jwt",
	"kubernetes_": "kubernetes",
	"pki_":        "pkiSecret",
	"token_":      "tokenauth",
	"transit_":    "transit",
}

func main() {
	one := map[string]*tfbridge.SchemaInfo{
		"auth_login":  {MaxItemsOne: tfbridge.True()},
		"client_auth": {MaxItemsOne: tfbridge.True()},
	}
	// A map each: SetAutonaming writes into it.
	serial := func() map[string]*tfbridge.SchemaInfo {
		return map[string]*tfbridge.SchemaInfo{"serial": {Name: "serialNumber"}}
	}
	info := tfbridge.ProviderInfo{
		Name:    "vault",
		Version: version,
		P:       shim.NewProvider(asCurrent(vault.Provider())),
		Config:  one,
		Resources: map[string]*tfbridge.ResourceInfo{
			"vault_pki_secret_backend_sign":      {Fields: serial()},
			"vault_pki_secret_backend_root_cert": {Fields: serial()},
		},
	}
	info.MustComputeTokens(tokens.MappedModules("vault_", "index", modules, tokens.MakeStandard("vault")))
	// As in @pulumi/vault: what has a given name is deleted before its replacement is created.
	info.SetAutonaming(255, "-")
	tfbridge.Main("vault", version, info, nil)
}
