// SPDX-License-Identifier: Apache-2.0

#include "controller/net/tls.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "controller/base/descriptor.hpp"

namespace saspd::net {
namespace {

using namespace std::chrono_literals;
namespace ssl = boost::asio::ssl;
using KeyPointer = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;

constexpr std::size_t max_file = std::size_t{4} << 20;
constexpr int max_depth = 5;
constexpr auto expiry_notice = std::chrono::days{30};

Error refuse(std::string text) {
  return fail(std::errc::invalid_argument, std::move(text));
}

// ---- Files --------------------------------------------------------------------------------------

// A key passes through it: the memory is wiped.
class Secret {
 public:
  Secret() = default;
  Secret(Secret&& other) noexcept : text_(std::exchange(other.text_, {})) {}
  Secret& operator=(Secret&&) = delete;
  ~Secret() { OPENSSL_cleanse(text_.data(), text_.size()); }

  std::string_view text() const { return {text_.data(), text_.size()}; }
  std::vector<char>& bytes() { return text_; }

 private:
  std::vector<char> text_;
};

bool is_group_of_ours(gid_t group) {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  groups.push_back(::getegid());
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

// Group root is as good as root; a file of systemd's LoadCredential= shows the access of its ACL
// there. The file that was opened is what counts, a symbolic link to it does not matter.
Result<void> check_readers(const std::string& path, const struct stat& found) {
  const auto mode = found.st_mode & 07777U;
  if ((mode & 0007U) != 0) {
    return refuse(
        fmt::format("{}: every user may read or write the private key (mode {:04o}); chmod 0600 "
                    "{}, or 0640 with our group, and consider a new key",
                    path, mode, path));
  }
  if ((mode & 0020U) != 0) {
    return refuse(fmt::format("{}: group {} may write the private key (mode {:04o}); chmod 0640 {}",
                              path, found.st_gid, mode, path));
  }
  if ((mode & 0040U) != 0 && found.st_gid != 0 && !is_group_of_ours(found.st_gid)) {
    return refuse(
        fmt::format("{}: group {}, which is not ours, may read the private key (mode "
                    "{:04o}); chmod 0600 {}, or chgrp it to group {}",
                    path, found.st_gid, mode, path, ::getegid()));
  }
  return {};
}

enum class FileKind { open, secret };

Result<Secret> read_file(const std::string& path, FileKind kind) {
  const auto failed = [&](int error) {
    const std::error_code code(error, std::generic_category());
    return fail(code, fmt::format("cannot read {}: {}", path, code.message()));
  };
  // Without waiting for a writer, should it be a FIFO.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat found {};
  if (!file || ::fstat(file.get(), &found) != 0) return failed(errno);
  if (!S_ISREG(found.st_mode)) return refuse(fmt::format("{} is not a regular file", path));
  if (kind == FileKind::secret) {
    if (const auto ok = check_readers(path, found); !ok) return fail(ok.error());
  }
  if (static_cast<std::size_t>(found.st_size) > max_file) return failed(EFBIG);
  Secret content;
  // In one piece, so that nothing is moved to other memory. A file that grows is read again later.
  auto& bytes = content.bytes();
  bytes.resize(static_cast<std::size_t>(found.st_size));
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + size, bytes.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(errno);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  bytes.resize(size);
  return content;
}

template <class Read>
auto read_pem(const std::string& path, Read read) -> decltype(read(std::string_view{})) {
  const auto content = read_file(path, FileKind::open);
  if (!content) return fail(content.error());
  auto objects = read(content->text());
  if (!objects) return fail(at(path, objects.error()));
  return objects;
}

// A passphrase could only be asked for, and a daemon has no one to ask.
Result<KeyPointer> read_key(const std::string& path) {
  const auto content = read_file(path, FileKind::secret);
  if (!content) return fail(content.error());
  bool encrypted = false;
  const auto no_passphrase = [](char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
  };
  const std::unique_ptr<BIO, FreedBy<BIO_free_all>> in(
      BIO_new_mem_buf(content->text().data(), static_cast<int>(content->text().size())));
  ERR_clear_error();
  KeyPointer key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, &encrypted));
  const std::string error = take_openssl_error();
  if (encrypted) {
    return refuse(
        fmt::format("{}: the private key is encrypted, and there is no way to enter the "
                    "passphrase; write it decrypted (openssl pkey -in {}) to a file of mode 0600",
                    path, path));
  }
  if (!key)
    return refuse(fmt::format("{}: it contains no private key ({}); PEM is expected", path, error));
  return key;
}

// ---- Into the context ---------------------------------------------------------------------------

// What the system's configuration asks for (crypto policies of EL) may be stricter, and stays.
void set_rules(SSL_CTX& context, const TlsSettings& settings) {
  const int oldest = settings.min == TlsVersion::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
  if (SSL_CTX_get_min_proto_version(&context) < oldest)
    SSL_CTX_set_min_proto_version(&context, oldest);
  if (SSL_CTX_get_security_level(&context) < 2) SSL_CTX_set_security_level(&context, 2);
  SSL_CTX_set_options(&context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(&context, 0);
  SSL_CTX_set_max_early_data(&context, 0);
  SSL_CTX_set_recv_max_early_data(&context, 0);
  SSL_CTX_set_verify_depth(&context, max_depth);
  SSL_CTX_set_mode(&context,
                   SSL_MODE_RELEASE_BUFFERS);  // most connections are idle most of the time
}

Result<void> add_authorities(TlsContext& tls) {
  const std::string& path = tls.settings.ca;
  if (path.empty()) return {};
  const auto certificates = read_pem(path, read_certificates);
  if (!certificates) return fail(certificates.error());
  SSL_CTX* context = tls.context.native_handle();
  for (const auto& certificate : *certificates) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get()) != 1 ||
        SSL_CTX_add_client_CA(context, certificate.get()) != 1) {
      return refuse(fmt::format("{}: {}", path, take_openssl_error()));
    }
    tls.authorities.push_back(certificate_info(*certificate));
  }
  // A server has no other way to know who comes: a peer without certificate is refused.
  tls.context.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  return {};
}

Result<void> add_revocation_lists(TlsContext& tls) {
  const std::string& path = tls.settings.crl;
  if (path.empty()) return {};
  const auto lists = read_pem(path, read_revocation_lists);
  if (!lists) return fail(lists.error());
  X509_STORE* store = SSL_CTX_get_cert_store(tls.context.native_handle());
  for (const auto& list : *lists) {
    if (X509_STORE_add_crl(store, list.get()) != 1)
      return refuse(fmt::format("{}: {}", path, take_openssl_error()));
    tls.revocation_lists.push_back(revocation_list_info(*list));
  }
  // From here on a certificate whose authority has no list, or an old one, is refused too; so are
  // intermediate ones.
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return {};
}

Result<void> check_dates(const std::string& path, const CertificateInfo& certificate) {
  if (certificate.not_after < wall_now()) {
    return refuse(fmt::format("{}: the certificate of {} expired on {}; renew it", path,
                              certificate.subject, text(certificate.not_after)));
  }
  if (certificate.not_before > wall_now()) {
    return refuse(
        fmt::format("{}: the certificate of {} is valid from {} on; is the clock of this "
                    "machine right?",
                    path, certificate.subject, text(certificate.not_before)));
  }
  return {};
}

Result<void> use_certificate(SSL_CTX& context, const std::string& path,
                             const std::vector<X509Pointer>& chain) {
  bool used = SSL_CTX_use_certificate(&context, chain.front().get()) == 1;
  for (auto next = chain.begin() + 1; used && next != chain.end(); ++next)
    used = SSL_CTX_add1_chain_cert(&context, next->get()) == 1;
  if (used) return {};
  return refuse(fmt::format("{}: OpenSSL does not accept the certificate at security level {}: {}",
                            path, SSL_CTX_get_security_level(&context), take_openssl_error()));
}

Result<void> use_key(TlsContext& tls, X509& certificate) {
  const auto key = read_key(tls.settings.key);
  if (!key) return fail(key.error());
  if (X509_check_private_key(&certificate, key->get()) != 1) {
    ERR_clear_error();
    return refuse(fmt::format("the key {} does not belong to the certificate {} ({})",
                              tls.settings.key, tls.settings.cert, tls.own.front().subject));
  }
  if (SSL_CTX_use_PrivateKey(tls.context.native_handle(), key->get()) == 1) return {};
  return refuse(fmt::format("{}: {}", tls.settings.key, take_openssl_error()));
}

// What a peer will hardly accept, though ours to use.
void remark_on(TlsContext& tls, const std::vector<X509Pointer>& chain) {
  const bool client = tls.role == TlsRole::client;
  const int purpose = client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;
  if (X509_check_purpose(chain.front().get(), purpose, 0) != 1) {
    tls.remarks.push_back(
        fmt::format("{}: the certificate of {} is not for use by a {} (extended key usage): peers "
                    "will refuse it",
                    tls.settings.cert, tls.own.front().subject, client ? "client" : "server"));
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (X509_check_issued(chain[i].get(), chain[i - 1].get()) == X509_V_OK) continue;
    tls.remarks.push_back(
        fmt::format("{}: certificate number {} ({}) did not issue the one before it",
                    tls.settings.cert, i + 1, tls.own[i].subject));
  }
}

Result<void> add_own_certificate(TlsContext& tls) {
  const std::string& path = tls.settings.cert;
  if (path.empty()) return {};
  const auto chain = read_pem(path, read_certificates);
  if (!chain) return fail(chain.error());
  for (const auto& certificate : *chain) {
    tls.own.push_back(certificate_info(*certificate));
    if (const auto valid = check_dates(path, tls.own.back()); !valid) return fail(valid.error());
  }
  const auto used = use_certificate(*tls.context.native_handle(), path, *chain);
  if (!used) return fail(used.error());
  if (const auto key = use_key(tls, *chain->front()); !key) return fail(key.error());
  remark_on(tls, *chain);
  return {};
}

void add_expiry(std::vector<std::string>& warnings, const std::string& path,
                const CertificateInfo& certificate, WallTime now) {
  const auto left = certificate.not_after - now;
  if (left > expiry_notice) return;
  const std::string date = text(certificate.not_after);
  const std::string when = left < 0s ? fmt::format("expired on {}", date)
                           : left < 48h
                               ? fmt::format("expires in {} h, on {}", left / 1h, date)
                               : fmt::format("expires in {} days, on {}", left / 24h, date);
  warnings.push_back(fmt::format("{}: the certificate of {} {}", path, certificate.subject, when));
}

}  // namespace

Result<TlsContextPointer> load_tls(const TlsSettings& settings, TlsRole role) {
  const auto method = role == TlsRole::client ? ssl::context::tls_client : ssl::context::tls_server;
  const auto tls = std::make_shared<TlsContext>(
      TlsContext{role, settings, ssl::context(method), {}, {}, {}, {}});
  set_rules(*tls->context.native_handle(), settings);
  for (const auto add : {add_authorities, add_revocation_lists, add_own_certificate}) {
    if (const auto added = add(*tls); !added) return fail(added.error());
  }
  return tls;
}

std::vector<std::string> tls_warnings(const TlsContext& tls, WallTime now) {
  std::vector<std::string> warnings = tls.remarks;
  for (const auto& certificate : tls.own)
    add_expiry(warnings, tls.settings.cert, certificate, now);
  for (const auto& certificate : tls.authorities)
    add_expiry(warnings, tls.settings.ca, certificate, now);
  for (const auto& list : tls.revocation_lists) {
    if (!list.next_update || *list.next_update > now) continue;
    warnings.push_back(
        fmt::format("{}: the revocation list of {} expired on {}: certificates of that authority "
                    "are refused until there is a new list",
                    tls.settings.crl, list.issuer, text(*list.next_update)));
  }
  return warnings;
}

Result<std::vector<std::string>> check_tls_files(const TlsSettings& settings, TlsRole role) {
  if (!settings.used()) return std::vector<std::string>();
  const auto tls = load_tls(settings, role);
  if (!tls) return fail(tls.error());
  return tls_warnings(**tls, wall_now());
}

std::vector<std::pair<std::string, WallTime>> tls_ends(const TlsContext& tls) {
  std::vector<std::pair<std::string, WallTime>> ends;
  const auto add = [&ends](const char* role, WallTime end) {
    if (ends.empty() || ends.back().first != role) ends.emplace_back(role, end);
    ends.back().second = std::min(ends.back().second, end);
  };
  for (const auto& certificate : tls.own)
    add("own", certificate.not_after);
  for (const auto& certificate : tls.authorities)
    add("ca", certificate.not_after);
  for (const auto& list : tls.revocation_lists) {
    if (list.next_update) add("crl", *list.next_update);
  }
  return ends;
}

TlsCredentials::TlsCredentials(boost::asio::io_context& io, TlsSettings settings, TlsRole role,
                               Tell tell, TlsPace pace)
    : settings_(std::move(settings)),
      role_(role),
      tell_(std::move(tell)),
      pace_(pace),
      files_(watched()),
      timer_(io) {}

WatchedFiles TlsCredentials::watched() {
  return {settings_.files(),
          1,
          {.read = [this] { return load_files(); },
           .failed =
               [this](const std::string& why) {
                 tell_(Tone::warning, fmt::format("{}; the old certificates stay in use", why));
               },
           .read_again =
               [this] {
                 tell_(Tone::info, "certificates read again, for new connections");
                 if (replaced_) replaced_();
               }}};
}

void TlsCredentials::use(TlsSettings settings) {
  settings_ = std::move(settings);
  files_ = watched();
  files_.read_now();
}

Result<void> TlsCredentials::load() {
  return files_.read();
}

// What may be a matter of time, a certificate of the next minute or too many open files, is tried
// again.
Result<void> TlsCredentials::load_files() {
  auto loaded = load_tls(settings_, role_);
  if (!loaded) return fail(loaded.error());
  current_ = std::move(*loaded);
  tell_warnings();
  return {};
}

void TlsCredentials::reload() {
  files_.read_now();
}

void TlsCredentials::watch() {
  if (stopped_) return;
  timer_.expires_after(pace_.look);
  timer_.async_wait([this](boost::system::error_code ec) {
    if (ec) return;
    look();
    watch();
  });
}

void TlsCredentials::stop() {
  stopped_ = true;
  timer_.cancel();
}

void TlsCredentials::look() {
  files_.look();
  if (wall_now() - warned_at_ >= pace_.warn) tell_warnings();
}

void TlsCredentials::tell_warnings() {
  warned_at_ = wall_now();
  for (const auto& warning : tls_warnings(*current_, warned_at_))
    tell_(Tone::warning, warning);
}

}  // namespace saspd::net
