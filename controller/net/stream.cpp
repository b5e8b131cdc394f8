// SPDX-License-Identifier: Apache-2.0

#include "controller/net/stream.hpp"

#include <new>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <openssl/x509v3.h>

namespace saspd::net {

namespace asio = boost::asio;

namespace {

// Without what was refused here every certificate of the authority would do.
void must(int done) {
  if (done != 1) throw std::bad_alloc();
}

// The rest of the chain is still checked: its own lists may exist.
int tolerate_missing_list(int accepted, X509_STORE_CTX* check) {
  const bool missing = X509_STORE_CTX_get_error(check) == X509_V_ERR_UNABLE_TO_GET_CRL;
  return accepted == 1 || missing ? 1 : 0;
}

}  // namespace

// Its callback is ours alone; whether a certificate is asked for comes from the context.
Stream::Tls::Tls(Socket socket, TlsContextPointer with)
    : context(std::move(with)), stream(std::move(socket), context->context) {
  view.role = context->role;
  view.has_certificate = !context->own.empty();
  stream.set_verify_callback([this](bool accepted, asio::ssl::verify_context& checked) {
    return look_at(accepted, checked);
  });
}

// RFC 6125 6.4.4: the expected name must be in the certificate, and an address is not a name. The
// common name counts only in a certificate without DNS names: those of mainframes often have none.
void Stream::Tls::expect(std::string_view host) {
  if (!context->settings.name.empty()) host = context->settings.name;
  if (host.ends_with('.')) host.remove_suffix(1);  // the root of DNS, which no certificate has
  view.server_name = host;
  SSL* ssl = stream.native_handle();
  if (const auto address = IpAddress::parse(host)) {
    must(X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), address->bytes().data(),
                                   address->bytes().size()));
    return;
  }
  if (host.empty()) throw std::invalid_argument("a TLS client without an expected peer");
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  must(SSL_set1_host(ssl, view.server_name.c_str()));
  must(static_cast<int>(SSL_set_tlsext_host_name(ssl, view.server_name.c_str())));
}

// Called for every certificate of the peer. Decides nothing; remembers what OpenSSL refused.
bool Stream::Tls::look_at(bool accepted, asio::ssl::verify_context& checked) {
  if (accepted || view.refused) return accepted;
  X509_STORE_CTX* store = checked.native_handle();
  RefusedCertificate refused;
  refused.reason = X509_STORE_CTX_get_error(store);
  if (const X509* certificate = X509_STORE_CTX_get_current_cert(store))
    refused.certificate = certificate_info(*certificate);
  if (const X509_CRL* list = X509_STORE_CTX_get0_current_crl(store))
    refused.list_over = revocation_list_info(*list).next_update;
  view.refused = std::move(refused);
  return false;
}

Stream::Stream(Socket socket, TlsContextPointer tls)
    : socket_(socket.get_executor()),
      tls_(std::make_unique<Tls>(std::move(socket), std::move(tls))) {}

Stream Stream::tls_client(Socket socket, TlsContextPointer tls, std::string_view host) {
  Stream stream(std::move(socket), std::move(tls));
  stream.tls_->expect(host);
  return stream;
}

Stream Stream::tls_server(Socket socket, TlsContextPointer tls) {
  return {std::move(socket), std::move(tls)};
}

asio::awaitable<Stream::error_code> Stream::handshake() {
  if (!tls_) co_return error_code();
  const auto side = tls_->view.role == TlsRole::client ? asio::ssl::stream_base::client
                                                       : asio::ssl::stream_base::server;
  const auto [ec] =
      co_await tls_->stream.async_handshake(side, asio::as_tuple(asio::use_awaitable));
  if (!ec) tls_->view.in_handshake = false;
  co_return ec;
}

void Stream::close() {
  error_code ignored;
  if (tls_ && is_open() && !tls_->view.in_handshake) {
    // As if the peer had said good-bye already: nothing is waited for. Nor is there a wait for
    // room.
    SSL_set_shutdown(tls_->stream.native_handle(), SSL_RECEIVED_SHUTDOWN);
    socket().non_blocking(true, ignored);
    tls_->stream.shutdown(ignored);
  }
  socket().close(ignored);
}

std::optional<PeerIdentity> Stream::peer() const {
  if (!tls_ || tls_->view.in_handshake) return {};
  SSL* ssl = tls_->stream.native_handle();
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  const bool verified =
      SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && SSL_get_verify_result(ssl) == X509_V_OK;
  if (certificate == nullptr || !verified) return {};
  return certificate_info(*certificate).identity;
}

Result<void> Stream::check_peer_again(TlsContext& tls) const {
  if (!tls_ || tls_->view.in_handshake || tls_->context.get() == &tls) return {};
  SSL* ssl = tls_->stream.native_handle();
  X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return {};
  SSL_CTX* rules = tls.context.native_handle();
  const std::unique_ptr<X509_STORE_CTX, FreedBy<X509_STORE_CTX_free>> check(X509_STORE_CTX_new());
  must(static_cast<int>(check != nullptr));
  must(X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(rules), certificate,
                           SSL_get_peer_cert_chain(ssl)));
  must(X509_STORE_CTX_set_default(check.get(),
                                  tls.role == TlsRole::client ? "ssl_server" : "ssl_client"));
  X509_VERIFY_PARAM* how = X509_STORE_CTX_get0_param(check.get());
  X509_VERIFY_PARAM_set_depth(how, SSL_CTX_get_verify_depth(rules));
  X509_VERIFY_PARAM_set_auth_level(how, SSL_CTX_get_security_level(rules));
  must(X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_NO_CHECK_TIME));
  X509_STORE_CTX_set_verify_cb(check.get(), tolerate_missing_list);
  if (X509_verify_cert(check.get()) == 1) return {};
  const int reason = X509_STORE_CTX_get_error(check.get());
  const X509* refused = X509_STORE_CTX_get_current_cert(check.get());
  if (refused == nullptr) refused = certificate;
  return fail(std::errc::permission_denied,
              explain_refused({reason, certificate_info(*refused), {}}, tls_->view));
}

bool Stream::is_tls_failure(const error_code& code) const {
  return tls_ && code && (tls_->view.in_handshake || is_tls_error(code));
}

// With TLS a peer may end without a good-bye.
bool Stream::is_end(const error_code& code) {
  return code == asio::error::eof || code == asio::ssl::error::stream_truncated;
}

std::string Stream::explain(const error_code& code) const {
  return tls_ ? explain_tls_failure(code, tls_->view) : code.message();
}

}  // namespace saspd::net
