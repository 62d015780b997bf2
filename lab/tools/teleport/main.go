// The Teleport daemon without its web interface: the published module lacks the
// interface's compiled files, and the stock command refuses to start without them.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/gravitational/teleport/lib/service"
	"github.com/gravitational/teleport/tool/teleport/common"
)

func main() {
	_, command, config := common.Run(common.Options{Args: os.Args[1:], InitOnly: true})
	if command != "start" {
		return
	}
	config.Proxy.DisableWebInterface = true
	if err := service.Run(context.Background(), *config, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
