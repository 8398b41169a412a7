package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS is how a server is checked, and how this client shows who it is.
type TLS struct {
	CAFile     string `env:"CA_FILE" example:"/etc/keyfeed/ca.pem" desc:"Path of the certificates (PEM) that the server's must be signed by. Default: those of the system."`
	CertFile   string `env:"CERT_FILE" example:"/etc/keyfeed/client.pem" desc:"Path of the client certificate (PEM)."`
	KeyFile    string `env:"KEY_FILE" example:"/etc/keyfeed/client.key" desc:"Path of its private key (PEM)."`
	ServerName string `env:"SERVER_NAME" example:"redis.internal" desc:"Name that the server's certificate must have. Default: the host connected to."`
	Insecure   bool   `env:"INSECURE" envDefault:"false" desc:"Do not check the server's certificate."`
}

// IsSet reports whether anything differs from the defaults.
func (t *TLS) IsSet() bool { return *t != TLS{} }

// Client makes the settings of a TLS client. It reads the files; serverName is used where none is set and may be empty
// if the library that connects fills it in. Errors begin with the end of the setting's name; all there are come joined.
func (t *TLS) Client(serverName string) (*tls.Config, error) {
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         serverName,
		InsecureSkipVerify: t.Insecure, // what the operator asks for, by a name that says so
	}
	if t.ServerName != "" {
		c.ServerName = t.ServerName
	}
	if err := errors.Join(t.authorities(c), t.certificate(c)); err != nil {
		return nil, err
	}
	return c, nil
}

func (t *TLS) authorities(c *tls.Config) error {
	if t.CAFile == "" {
		return nil
	}
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return fmt.Errorf("CA_FILE: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("CA_FILE: %s holds no certificate in PEM form", t.CAFile)
	}
	return nil
}

func (t *TLS) certificate(c *tls.Config) error {
	switch {
	case (t.CertFile == "") != (t.KeyFile == ""):
		return errors.New("CERT_FILE and KEY_FILE belong together: set both")
	case t.CertFile == "":
		return nil
	}
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return fmt.Errorf("CERT_FILE, KEY_FILE: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return nil
}
