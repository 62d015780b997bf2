// What hashicorp/vault 5.8 to 5.10, which are in @pulumi/vault 7.8 to 7.11, do otherwise than the provider of 2022, the
// newest that can be had as a module. Only for what this project makes: other resources and inputs are as they were.
package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/vault/api"
)

func asCurrent(provider *schema.Provider) *schema.Provider {
	provider.ConfigureFunc = lateLogin(provider.ConfigureFunc)
	resources := provider.ResourcesMap
	for _, name := range []string{"sign", "root_cert", "intermediate_set_signed"} {
		resources["vault_pki_secret_backend_"+name].Read = readBackend
	}
	mounted(resources["vault_mount"], "", (*api.Sys).Mount)
	mounted(resources["vault_auth_backend"], "auth/", (*api.Sys).EnableAuthWithOptions)
	typedCredentials(resources["vault_database_secret_backend_role"])
	return provider
}

// readBackend asks in every refresh what is mounted where a certificate was signed: who may not ask gets an error, and
// without a mount the resource leaves the state. The provider of 2022 asked nothing.
func readBackend(d *schema.ResourceData, meta any) error {
	_, err := meta.(*api.Client).Sys().GetMount(d.Get("backend").(string))
	return unlessGone(d, err)
}

// unlessGone takes a resource out of the state when the answer is that its mount does not exist.
func unlessGone(d *schema.ResourceData, err error) error {
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		return err
	}
	said := strings.Join(answer.Errors, "\n")
	none := strings.Contains(said, "No secret engine mount at") || strings.Contains(said, "No auth engine at")
	if answer.StatusCode == http.StatusNotFound || (answer.StatusCode == http.StatusBadRequest && none) {
		d.SetId("")
		return nil
	}
	return err
}

// mounted reads the one mount, below sys/mounts for logins too, and how a login is tuned; another path moves it, and
// another description is set. The provider of 2022 listed all of sys/mounts or sys/auth, and replaced a login for either.
// Inputs that nothing here gives are refused.
func mounted(r *schema.Resource, prefix string, create func(*api.Sys, string, *api.MountInput) error) {
	for _, name := range []string{"audit_non_hmac_request_keys", "audit_non_hmac_response_keys", "external_entropy_access",
		"local", "options", "seal_wrap", "tune"} {
		delete(r.Schema, name)
	}
	r.Schema["path"].ForceNew, r.Schema["description"].ForceNew = false, false
	r.Read = func(d *schema.ResourceData, meta any) error {
		sys := meta.(*api.Client).Sys()
		found, err := sys.GetMount(prefix + d.Id())
		if err != nil {
			return unlessGone(d, err)
		}
		values := map[string]any{
			"path": d.Id(), "type": found.Type, "description": found.Description, "accessor": found.Accessor,
			"default_lease_ttl_seconds": found.Config.DefaultLeaseTTL, "max_lease_ttl_seconds": found.Config.MaxLeaseTTL,
		}
		for name := range r.Schema {
			err = errors.Join(err, d.Set(name, values[name]))
		}
		if prefix != "" && err == nil {
			_, err = sys.MountConfig(prefix + d.Id())
		}
		return err
	}
	r.Create = func(d *schema.ResourceData, meta any) error {
		path, input := settings(d)
		if err := create(meta.(*api.Client).Sys(), path, input); err != nil {
			return fmt.Errorf("error writing to Vault: %w", err)
		}
		d.SetId(path)
		return r.Read(d, meta)
	}
	r.Update = func(d *schema.ResourceData, meta any) error {
		sys := meta.(*api.Client).Sys()
		path, input := settings(d)
		if path != d.Id() {
			if err := sys.Remount(prefix+d.Id(), prefix+path); err != nil {
				return fmt.Errorf("error remounting in Vault: %w", err)
			}
			d.SetId(path)
		}
		if d.HasChangeExcept("path") {
			input.Config.Description = &input.Description
			if err := sys.TuneMount(prefix+path, input.Config); err != nil {
				return fmt.Errorf("error updating Vault: %w", err)
			}
		}
		return r.Read(d, meta)
	}
}

// settings of a mount, and its path: a login without one is at its type, and has no lease times.
func settings(d *schema.ResourceData) (string, *api.MountInput) {
	input := &api.MountInput{Type: d.Get("type").(string), Description: d.Get("description").(string)}
	if seconds, set := d.GetOk("default_lease_ttl_seconds"); set {
		input.Config.DefaultLeaseTTL = fmt.Sprintf("%ds", seconds)
	}
	if seconds, set := d.GetOk("max_lease_ttl_seconds"); set {
		input.Config.MaxLeaseTTL = fmt.Sprintf("%ds", seconds)
	}
	if path := d.Get("path").(string); path != "" {
		return path, input
	}
	return input.Type, input
}

// typedCredentials puts what kind of credentials a role gives into the state: "password" for users of PostgreSQL.
func typedCredentials(r *schema.Resource) {
	r.Schema["credential_type"] = &schema.Schema{Type: schema.TypeString, Computed: true}
	read, write := r.Read, r.Create
	r.Read = func(d *schema.ResourceData, meta any) error {
		if err := read(d, meta); err != nil || d.Id() == "" {
			return err
		}
		role, err := meta.(*api.Client).Logical().Read(d.Id())
		if err != nil || role == nil {
			return err
		}
		return d.Set("credential_type", role.Data["credential_type"])
	}
	r.Create = func(d *schema.ResourceData, meta any) error {
		if err := write(d, meta); err != nil {
			return err
		}
		return r.Read(d, meta)
	}
	r.Update = schema.UpdateFunc(r.Create)
}
