package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	installs := flag.Bool("install", false, "install a Chromium if there is none and this is root on Debian or the like")
	picture := flag.String("screenshot", "", "write a picture of the shop to this `file`")
	width := flag.Int64("width", 960, "of the picture, in pixels")
	page := flag.String("page", "/lab", "what the picture shows: / or /cart or /lab")
	dark := flag.Bool("dark", false, "take the picture in dark mode")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := do(ctx, *installs, *picture, view{*page, *width, *dark})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		os.Exit(1)
	}
}

func do(ctx context.Context, installs bool, picture string, v view) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	if installs {
		// Without a browser the tests say so themselves, and whether it matters.
		if err := install(ctx); err != nil && (picture != "" || !errors.Is(err, errNone)) {
			return err
		} else if err != nil {
			fmt.Fprintln(os.Stderr, "browser:", err)
		}
	}
	if picture == "" {
		return nil
	}
	return screenshot(ctx, picture, v)
}
