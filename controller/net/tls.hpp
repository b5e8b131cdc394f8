// SPDX-License-Identifier: Apache-2.0
// What the TLS connections of a program have in common: our certificate, whom we believe, and the
// rules for OpenSSL. See Stream for one connection.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>

#include "controller/base/clock.hpp"
#include "controller/base/file_watch.hpp"
#include "controller/base/tls_settings.hpp"
#include "controller/net/certificate.hpp"

namespace saspd::net {

// Does not change once it is loaded: OpenSSL keeps what it found out about certificates in here,
// and connections that use it stay as they are when another one takes its place.
struct TlsContext {
  TlsRole role;
  TlsSettings settings;
  boost::asio::ssl::context context;
  std::vector<CertificateInfo> own;  // ours first, then the intermediate ones; empty: none
  std::vector<CertificateInfo> authorities;
  std::vector<RevocationListInfo> revocation_lists;
  std::vector<std::string> remarks;  // what works, but is hardly meant
};
using TlsContextPointer = std::shared_ptr<TlsContext>;

// Reads and checks all files; `settings` are complete (cli::check_tls). TLS 1.2 or newer, security
// level 2 or higher, no compression, renegotiation, tickets or early data. The error names the
// file, what is wrong with it and what to do. Nothing of it asks on a terminal.
Result<TlsContextPointer> load_tls(const TlsSettings& settings, TlsRole role);

// For the operator, at the start and then once a day: certificates with 30 days left or less,
// revocation lists that are over, and the remarks.
std::vector<std::string> tls_warnings(const TlsContext& tls, WallTime now);

// For --check: the warnings, if all files are good. Nothing to check without TLS.
Result<std::vector<std::string>> check_tls_files(const TlsSettings& settings, TlsRole role);

// For a metric: the first end among our own certificates ("own"), the authorities ("ca") and the
// revocation lists ("crl"); no entry for what there is none of.
std::vector<std::pair<std::string, WallTime>> tls_ends(const TlsContext& tls);

// How often TlsCredentials does what.
struct TlsPace {
  Duration look = std::chrono::seconds{10};  // after the files
  Duration warn = std::chrono::hours{24};    // of what ends soon, again
};

// The context that new connections use, and its successors: files that changed are noticed, and
// replace the context as a whole when all of them are good.
class TlsCredentials {
 public:
  enum class Tone : std::uint8_t { info, warning };
  using Tell = std::function<void(Tone, const std::string&)>;
  // Tells a program's log: what has warning() and info() as cli::Log has, and outlives this.
  template <class Log>
  static Tell to(Log& log) {
    return [&log](Tone tone, const std::string& text) {
      if (tone == Tone::warning) return log.warning("{}", text);
      log.info("{}", text);
    };
  }

  // `tell` is called from the io_context, and from load and reload.
  TlsCredentials(boost::asio::io_context& io, TlsSettings settings, TlsRole role, Tell tell,
                 TlsPace pace = {});

  // Called when a reload has replaced the context.
  void when_replaced(std::function<void()> replaced) { replaced_ = std::move(replaced); }

  // At the start; reports the warnings. An error changes nothing.
  Result<void> load();
  // The same for an existing context (SIGHUP); reports the outcome.
  void reload();
  // Other files from now on, which were checked; reports the outcome as reload() does.
  void use(TlsSettings settings);
  // Why the files could not be read again, which is tried on and on; empty: they could.
  const std::string& error() const { return files_.error(); }
  // Looks after the files and the calendar until stop().
  void watch();
  void stop();

  // Nothing before load().
  const TlsContextPointer& current() const { return current_; }

 private:
  using Timer = boost::asio::basic_waitable_timer<Clock>;

  WatchedFiles watched();
  Result<void> load_files();
  void look();
  void tell_warnings();

  TlsSettings settings_;
  TlsRole role_;
  Tell tell_;
  TlsPace pace_;
  TlsContextPointer current_;
  std::function<void()> replaced_;
  WatchedFiles files_;
  Timer timer_;
  bool stopped_ = false;
  WallTime warned_at_;
};

}  // namespace saspd::net
