package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certificates is a CA and one certificate of it for 127.0.0.1 and localhost, good for servers and clients.
type certificates struct {
	caFile, certFile, keyFile string
	pair                      tls.Certificate
	pool                      *x509.CertPool
}

// Certificates makes a certificate authority and a certificate for 127.0.0.1 and localhost, as PEM files in a
// temporary directory. The certificate serves servers and clients.
func Certificates(tb testing.TB) (caFile, certFile, keyFile string) {
	tb.Helper()
	c := makeCertificates(tb)
	return c.caFile, c.certFile, c.keyFile
}

func makeCertificates(tb testing.TB) *certificates {
	tb.Helper()
	check := func(err error) {
		if err != nil {
			tb.Helper()
			tb.Fatalf("making certificates: %v", err)
		}
	}
	dir := tb.TempDir()
	c := &certificates{
		caFile:   filepath.Join(dir, "ca.pem"),
		certFile: filepath.Join(dir, "cert.pem"),
		keyFile:  filepath.Join(dir, "key.pem"),
		pool:     x509.NewCertPool(),
	}
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial),
			Subject:      pkix.Name{CommonName: name},
			NotBefore:    time.Now().Add(-time.Hour),
			NotAfter:     time.Now().Add(24 * time.Hour),
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	ca := template(1, "keyfeed test CA")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	check(err)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	leaf := template(2, "localhost")
	leaf.DNSNames, leaf.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	check(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	check(err)

	caPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	check(os.WriteFile(c.caFile, caPEM, 0o600))
	check(os.WriteFile(c.certFile, certPEM, 0o600))
	check(os.WriteFile(c.keyFile, keyPEM, 0o600))
	c.pair, err = tls.X509KeyPair(certPEM, keyPEM)
	check(err)
	c.pool.AppendCertsFromPEM(caPEM)
	return c
}

func (c *certificates) clientConfig() *tls.Config {
	return &tls.Config{
		RootCAs:      c.pool,
		Certificates: []tls.Certificate{c.pair},
		ServerName:   "127.0.0.1",
		MinVersion:   tls.VersionTLS12,
	}
}
