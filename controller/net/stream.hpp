// SPDX-License-Identifier: Apache-2.0
// One connection, in the clear or over TLS, with the few operations that its users need.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "controller/net/tls.hpp"
#include "controller/net/tls_failure.hpp"

namespace saspd::net {

// At most one read and one write at a time, and none pending when it is destroyed or moved: close()
// ends them, soon. It has no timer: close() it when something takes too long.
class Stream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;
  using error_code = boost::system::error_code;

  // In the clear.
  explicit Stream(Socket socket) : socket_(std::move(socket)) {}
  // Over TLS. A client gives the name or address that it connects to: the server's certificate must
  // be for that, or for `--tls-name`.
  static Stream tls_client(Socket socket, TlsContextPointer tls, std::string_view host);
  static Stream tls_server(Socket socket, TlsContextPointer tls);

  executor_type get_executor() { return socket().get_executor(); }
  Socket& socket() { return tls_ ? tls_->stream.next_layer() : socket_; }
  const Socket& socket() const { return tls_ ? tls_->stream.next_layer() : socket_; }
  bool is_open() const { return socket().is_open(); }
  bool is_tls() const { return tls_ != nullptr; }

  // Call it before anything else; without TLS it does nothing.
  boost::asio::awaitable<error_code> handshake();

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->stream.async_read_some(buffers, std::forward<Token>(token));
    return socket_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->stream.async_write_some(buffers, std::forward<Token>(token));
    return socket_.async_write_some(buffers, std::forward<Token>(token));
  }

  // Closes at once. Sends a TLS close, but waits for no answer: a SASP message has its own length,
  // so a peer that misses the close mistakes no part for the whole.
  void close();

  // After the handshake: who the peer is, by its verified certificate. Empty without TLS, and for a
  // client of which no certificate was required.
  std::optional<PeerIdentity> peer() const;

  // After the handshake: whether `tls` would accept the peer's certificate as well. Revoked ones
  // and those of other authorities are not accepted. An expired certificate, or one without a list,
  // counts only for new connections: the calendar ends no connection in use.
  Result<void> check_peer_again(TlsContext& tls) const;

  // For an operation that ended with `code`: whether TLS failed, whether the peer closed, and what
  // to report.
  bool is_tls_failure(const error_code& code) const;
  static bool is_end(const error_code& code);
  std::string explain(const error_code& code) const;

 private:
  // Stays in one place in memory, because OpenSSL calls back.
  struct Tls {
    Tls(Socket socket, TlsContextPointer with);
    void expect(std::string_view host);
    bool look_at(bool accepted, boost::asio::ssl::verify_context& checked);

    TlsContextPointer context;
    boost::asio::ssl::stream<Socket> stream;
    TlsView view;
  };
  Stream(Socket socket, TlsContextPointer tls);

  Socket socket_;  // not the one in use with TLS
  std::unique_ptr<Tls> tls_;
};

}  // namespace saspd::net
