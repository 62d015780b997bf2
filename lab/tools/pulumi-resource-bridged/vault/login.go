package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/vault/api"
)

// lateLogin logs in when something is asked for the first time, and asks for its own token then. Where nothing is asked,
// as when certificates are destroyed, Vault need not be there. The provider of 2022 logged in to be configured.
func lateLogin(configure schema.ConfigureFunc) schema.ConfigureFunc {
	return func(d *schema.ResourceData) (any, error) {
		config := api.DefaultConfig()
		config.Address = d.Get("address").(string)
		config.MaxRetries = d.Get("max_retries").(int)
		config.CheckRetry = func(ctx context.Context, response *http.Response, err error) (bool, error) {
			if err != nil {
				return false, err // a login that failed was retried by its own client
			}
			return api.DefaultRetryPolicy(ctx, response, err)
		}
		config.HttpClient.Transport = &session{login: func() (any, error) { return configure(d) }}
		return api.NewClient(config)
	}
}

// session sends requests with the token, the headers and the connections of a client that has logged in.
type session struct {
	login  func() (any, error)
	mutex  sync.Mutex
	client *api.Client
}

func (s *session) RoundTrip(request *http.Request) (*http.Response, error) {
	client, err := s.loggedIn()
	if err != nil {
		return nil, err
	}
	sent := request.Clone(request.Context())
	for name, values := range client.Headers() {
		sent.Header[name] = values
	}
	sent.Header.Set("X-Vault-Token", client.Token())
	return client.CloneConfig().HttpClient.Transport.RoundTrip(sent)
}

func (s *session) loggedIn() (*api.Client, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	made, err := s.login()
	if err != nil {
		return nil, err
	}
	client := made.(*api.Client)
	if _, err := client.Auth().Token().LookupSelf(); err != nil {
		return nil, fmt.Errorf("failed to lookup token, err=%w", err)
	}
	s.client = client
	return client, nil
}
