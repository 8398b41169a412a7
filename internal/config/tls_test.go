package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"keyfeed/internal/config"
)

// writePEM makes a certificate with its key, and returns the paths of both.
func writePEM(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	cert, key := writePEM(t)
	c := load(
		t, "KEYFEED_SOURCE_URL=rediss://h", "KEYFEED_SOURCE_TLS_CA_FILE="+cert, "KEYFEED_SOURCE_TLS_CERT_FILE="+cert,
		"KEYFEED_SOURCE_TLS_KEY_FILE="+key, "KEYFEED_SOURCE_TLS_SERVER_NAME=redis.internal",
	)
	client, err := c.Source.TLS.Client("h")
	if err != nil {
		t.Fatal(err)
	}
	if client.RootCAs == nil || len(client.Certificates) != 1 || client.ServerName != "redis.internal" ||
		client.InsecureSkipVerify {
		t.Errorf("%+v", client)
	}
	plain, err := (&config.TLS{Insecure: true}).Client("h")
	if err != nil || plain.ServerName != "h" || !plain.InsecureSkipVerify || plain.RootCAs != nil {
		t.Errorf("%+v, %v", plain, err)
	}
	if _, err := (&config.TLS{CertFile: cert, KeyFile: cert}).Client("h"); err == nil {
		t.Error("a certificate is taken for a key")
	}
}
