// The lab's S3 server: Versity's gateway with a folder as its storage. Each account owns one bucket. It may do
// everything there, and nothing elsewhere. Argument: the configuration, a JSON file.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3err"
)

type configuration struct {
	Address     string
	Socket      string
	Region      string
	Objects     string
	Attributes  string // in files of their own: not every file system has extended attributes for users
	Certificate string
	Key         string
	Accounts    []struct {
		Bucket          string
		AccessKeyID     string
		SecretAccessKey string
	}
}

// The accounts of the configuration, which no request can change.
type accounts struct {
	auth.IAMService
	known map[string]auth.Account
}

func (a accounts) GetUserAccount(access string) (auth.Account, error) {
	if account, ok := a.known[access]; ok {
		return account, nil
	}
	return auth.Account{}, auth.ErrNoSuchUser
}

// Which of these access keys do not exist. Bucket policies name accounts by their keys.
func (a accounts) ResolveAccounts(accessKeys []string) ([]string, error) {
	missing := []string{}
	for _, access := range accessKeys {
		if _, ok := a.known[access]; !ok {
			missing = append(missing, access)
		}
	}
	return missing, nil
}

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	if len(os.Args) != 2 {
		log.Fatal("Usage: s3 CONFIGURATION")
	}
	if err := serve(os.Args[1]); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func serve(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var config configuration
	if err := json.Unmarshal(content, &config); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	sidecar, err := meta.NewSideCar(config.Attributes)
	if err != nil {
		return err
	}
	storage, err := posix.New(config.Objects, sidecar, posix.PosixOpts{SideCarDir: config.Attributes})
	if err != nil {
		return err
	}
	root := auth.Account{Access: rand.Text(), Secret: rand.Text(), Role: auth.RoleAdmin} // nobody knows it
	known := map[string]auth.Account{root.Access: root}
	for _, account := range config.Accounts {
		owner := auth.Account{Access: account.AccessKeyID, Secret: account.SecretAccessKey, Role: auth.RoleUser}
		known[owner.Access] = owner
		if err := ensureBucket(ctx, storage, account.Bucket, owner); err != nil {
			return err
		}
	}
	os.Remove(config.Socket) // of a server that was killed
	return embedgw.RunVersityGW(ctx, storage, &embedgw.Config{
		RootUserAccess:    root.Access,
		RootUserSecret:    root.Secret,
		IAMService:        accounts{auth.NewIAMServiceSingle(root), known},
		Region:            config.Region,
		Ports:             []string{config.Address, config.Socket},
		SocketPerm:        "0600",
		CertFile:          config.Certificate,
		KeyFile:           config.Key,
		DisableACLs:       true, // owners and bucket policies decide
		KeepAlive:         true,
		MaxConnections:    1000,
		MaxRequests:       1000,
		MultipartMaxParts: 10000,
		Quiet:             true,
	})
}

func ensureBucket(ctx context.Context, storage backend.Backend, bucket string, owner auth.Account) error {
	acl, err := json.Marshal(auth.ACL{Owner: owner.Access})
	if err != nil {
		return err
	}
	err = storage.CreateBucket(context.WithValue(ctx, "bucket-owner", owner), &s3.CreateBucketInput{
		Bucket:                    &bucket,
		ObjectOwnership:           types.ObjectOwnershipBucketOwnerEnforced,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{},
	}, acl)
	if errors.Is(err, s3err.GetBucketErr(s3err.ErrBucketAlreadyOwnedByYou, bucket)) {
		return nil
	}
	return err
}
