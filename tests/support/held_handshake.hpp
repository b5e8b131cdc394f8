// SPDX-License-Identifier: Apache-2.0
// One end of a TLS handshake that keeps its last flight back until the test lets it go.
#pragma once

#include <sys/socket.h>

#include <array>
#include <memory>

#include <openssl/ssl.h>

#include "controller/base/tls_settings.hpp"

namespace saspd::test {

// Over a connected socket of the caller's. A client's last flight is what its certificate comes
// with; a server only has one that is its own in TLS 1.2, where it has shown its certificate long
// before.
class HeldHandshake {
 public:
  HeldHandshake(int fd, SSL_CTX& context, TlsRole role)
      : fd_(fd), ssl_(SSL_new(&context), SSL_free) {
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (role == TlsRole::client) SSL_set_connect_state(ssl_.get());
    if (role == TlsRole::server) SSL_set_accept_state(ssl_.get());
  }

  // Goes on as far as it can without waiting; true when the last flight is all that is missing.
  bool is_held() {
    std::array<char, 16384> buffer{};
    const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) BIO_write(SSL_get_rbio(ssl_.get()), buffer.data(), static_cast<int>(n));
    if (SSL_do_handshake(ssl_.get()) == 1) return true;
    let_go();
    return false;
  }
  void let_go() {
    std::array<char, 16384> buffer{};
    const int n = BIO_read(SSL_get_wbio(ssl_.get()), buffer.data(), buffer.size());
    if (n > 0) ::send(fd_, buffer.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL);
  }

 private:
  int fd_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
};

}  // namespace saspd::test
