package cosmosstore

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// parseConnectionString reads "AccountEndpoint=…;AccountKey=…;". Its errors
// name parts and never quote them.
//
// The SDK has a parser of its own, which panics where there is no key, and
// takes what follows the key for a part of it.
func parseConnectionString(s string) (endpoint, key string, err error) {
	for part := range strings.SplitSeq(s, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return "", "", errors.New("ConnectionString has a part without \"=\": it is like AccountEndpoint=…;AccountKey=…;")
		}
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		var field *string
		switch {
		case strings.EqualFold(name, "AccountEndpoint"):
			field = &endpoint
		case strings.EqualFold(name, "AccountKey"):
			field = &key
		default:
			return "", "", errors.New("ConnectionString has a part that is neither AccountEndpoint nor AccountKey: take it out, and set what it means in Config")
		}
		switch {
		case *field != "":
			return "", "", fmt.Errorf("ConnectionString has %s twice", name)
		case value == "":
			return "", "", fmt.Errorf("ConnectionString has an empty %s", name)
		}
		*field = value
	}
	switch {
	case endpoint == "":
		return "", "", errors.New("ConnectionString has no AccountEndpoint")
	case key == "":
		return "", "", errors.New("ConnectionString has no AccountKey")
	}
	if err := checkKey(key); err != nil {
		return "", "", err
	}
	return endpoint, key, nil
}

// checkKey says what is wrong with a key, without saying what is in it.
func checkKey(key string) error {
	if _, err := base64.StdEncoding.DecodeString(key); err != nil {
		return errors.New("the key is no base64: copy the whole of it")
	}
	return nil
}
