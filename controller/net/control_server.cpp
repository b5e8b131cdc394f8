// SPDX-License-Identifier: Apache-2.0

#include "controller/net/control_server.hpp"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "controller/net/listener.hpp"

namespace saspd::net {

namespace asio = boost::asio;
namespace json = boost::json;
using Local = asio::local::stream_protocol;
using boost::system::error_code;
using report::control_error;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr mode_t socket_mode = 0660;

// Which file a path names, to know it again.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};
std::optional<FileId> file_id(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return FileId{status.st_dev, status.st_ino};
}

Error failed(std::string_view what, const std::string& path, int error) {
  const std::error_code code(error, std::generic_category());
  return fail(code, fmt::format("cannot {} {}: {}", what, path, code.message()));
}

Result<void> remove_stale(asio::io_context& io, const std::string& path);
Result<void> bind_and_listen(Local::acceptor& acceptor, const std::string& path);

// The way to a listening socket, or the reason why there is none.
Result<FileId> listen(asio::io_context& io, Local::acceptor& acceptor, const std::string& path) {
  if (path.empty() || path.size() > 107) {  // sockaddr_un, unix(7)
    return fail(
        std::errc::filename_too_long,
        fmt::format("control socket '{}' has {} bytes, expected 1 to 107", path, path.size()));
  }
  if (auto removed = remove_stale(io, path); !removed) return fail(removed.error());
  if (auto bound = bind_and_listen(acceptor, path); !bound) return fail(bound.error());
  const auto id = file_id(path);
  if (!id) return failed("find the control socket", path, errno);
  return *id;
}

// A socket file outlives a killed program; connecting to it fails.
Result<void> remove_stale(asio::io_context& io, const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return {};  // what else is wrong, bind will say
  if (!S_ISSOCK(status.st_mode)) {
    return fail(
        std::errc::file_exists,
        fmt::format("cannot create the control socket {}: there is a file that is not a socket",
                    path));
  }
  Local::socket probe(io);
  error_code ec;
  probe.open(Local(), ec);
  if (!ec) probe.non_blocking(true, ec);
  if (!ec) probe.connect(path, ec);
  if (ec == asio::error::connection_refused) {
    if (::unlink(path.c_str()) != 0) return failed("replace the stale control socket", path, errno);
    return {};
  }
  if (!ec) {  // or its queue is full, which Asio takes for a connection
    return fail(std::errc::address_in_use,
                fmt::format("another program listens on the control socket {}", path));
  }
  return failed("find out who listens on the control socket", path, ec.value());
}

Result<void> bind_and_listen(Local::acceptor& acceptor, const std::string& path) {
  error_code ec;
  acceptor.open(Local(), ec);
  if (!ec) {
    // The file never has other rights than these, and no chmod meets another file that was put
    // there. No other thread of ours makes files.
    const mode_t before = ::umask(~socket_mode & 0777);
    acceptor.bind(path, ec);
    ::umask(before);
  }
  const auto folder = std::filesystem::path(path).parent_path();
  if (ec == boost::system::errc::no_such_file_or_directory) {
    return fail(std::errc::no_such_file_or_directory,
                fmt::format("cannot create the control socket {}: there is no directory {}", path,
                            folder.string()));
  }
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return failed("create the control socket", path, ec.value());
  return {};
}

std::optional<gid_t> group_of(std::string_view name) {
  const group* found = ::getgrnam(std::string(name).c_str());
  if (found == nullptr) return std::nullopt;
  return found->gr_gid;
}

// Those besides its first one.
std::vector<gid_t> groups_of_peer(int socket) {
  std::vector<gid_t> groups(64);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int error = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    if (error != 0 && errno != ERANGE) return {};
    groups.resize(size / sizeof(gid_t));
    if (error == 0) return groups;
  }
}

ControlPeer peer_of(int socket, std::optional<gid_t> admins) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return {static_cast<uid_t>(-1), 0, false};
  const auto [pid, uid, gid] = credentials;
  bool may_write = uid == 0 || uid == ::geteuid() || gid == admins;
  if (!may_write && admins) {
    const auto groups = groups_of_peer(socket);
    may_write = std::find(groups.begin(), groups.end(), *admins) != groups.end();
  }
  return {uid, pid, may_write};
}

}  // namespace

// The server itself. The coroutines of the clients hold on to it: they may be resumed once more,
// with an error, after the owner has closed it.
class ControlServer::Shared : public std::enable_shared_from_this<Shared> {
 public:
  Shared(asio::io_context& io, std::string path, Callbacks callbacks, ControlLimits limits,
         std::optional<gid_t> admins)
      : io_(io),
        path_(std::move(path)),
        callbacks_(std::move(callbacks)),
        limits_(limits),
        admins_(admins),
        next_look_(io) {}

  Result<void> open();
  bool is_open() const { return file_.has_value(); }
  void look_later();
  void close();

 private:
  struct Client {
    Client(Local::socket connected, std::optional<gid_t> admins)
        : socket(std::move(connected)),
          peer(peer_of(socket.native_handle(), admins)),
          deadline(socket.get_executor()) {}
    void close() {
      error_code ignored;
      socket.close(ignored);
      deadline.cancel();
    }
    Local::socket socket;
    const ControlPeer peer;
    asio::steady_timer deadline;
    std::string input;
  };
  using ClientPtr = std::shared_ptr<Client>;
  // A line to send, and whether the client may ask again.
  struct Reply {
    std::string line;
    bool goes_on = true;
  };

  // Static, with shared pointers by value: the frame of a coroutine owns what it uses.
  void look();
  static asio::awaitable<void> serve(std::shared_ptr<Shared> self, Clients<Client>::Place client);
  void admit(Local::socket socket);
  Reply answer(std::string_view line, const ControlPeer& peer) const;
  Reply answer(const json::object& request, const ControlPeer& peer) const;
  std::string line_of(const json::object& answer) const;
  void give_patience(const ClientPtr& client) const;

  asio::io_context& io_;
  const std::string path_;
  const Callbacks callbacks_;
  const ControlLimits limits_;
  const std::optional<gid_t> admins_;
  std::optional<Listener<Local>> listener_;
  Clients<Client> clients_;
  std::optional<FileId> file_;  // the socket file that we made; nothing when closed
  asio::steady_timer next_look_;
  std::string trouble_;  // why it does not listen at its path, as reported last
};

ControlServer::ControlServer(asio::io_context& io, std::string path, Callbacks callbacks,
                             ControlLimits limits, std::string_view admins)
    : shared_(std::make_shared<Shared>(io, std::move(path), std::move(callbacks), limits,
                                       group_of(admins))) {}

Result<void> ControlServer::open() {
  auto opened = shared_->open();
  shared_->look_later();
  return opened;
}

bool ControlServer::is_open() const {
  return shared_->is_open();
}

ControlServer::~ControlServer() {
  shared_->close();
}

Result<void> ControlServer::Shared::open() {
  Local::acceptor acceptor(io_);
  const auto file = listen(io_, acceptor, path_);
  trouble_ = file ? "" : file.error().detail;
  if (!file) return fail(file.error());
  file_ = *file;
  listener_.emplace(io_, std::move(acceptor), spare::control,
                    Listener<Local>::Callbacks{
                        [this](Local::socket socket, const auto&) { admit(std::move(socket)); },
                        [this](const error_code& code) { callbacks_.on_wait(code); }});
  return {};
}

void ControlServer::Shared::look_later() {
  next_look_.expires_after(limits_.look);
  next_look_.async_wait([self = weak_from_this()](error_code ec) {
    const auto alive = self.lock();
    if (!ec && alive) alive->look();
  });
}

// A cleanup of the directory removes the socket file, and with it the operator's access.
void ControlServer::Shared::look() {
  look_later();
  if (file_ && file_id(path_) == file_) {
    trouble_.clear();
    return;
  }
  const std::string before = trouble_;
  if (const auto opened = open(); opened || trouble_ != before) callbacks_.on_listen(opened);
}

void ControlServer::Shared::close() {
  next_look_.cancel();
  if (file_ && file_id(path_) == file_) ::unlink(path_.c_str());
  file_.reset();
  listener_.reset();
  for (const auto& client : clients_)
    client->close();
}

void ControlServer::Shared::admit(Local::socket socket) {
  error_code ignored;
  if (clients_.size() >= limits_.max_clients) {
    // As far as its empty buffer takes it; this client is not waited for.
    socket.non_blocking(true, ignored);
    const auto line = line_of(control_error(ExitCode::try_again, "too many control connections"));
    socket.write_some(asio::buffer(line), ignored);
    return;
  }
  spawn(io_, serve(shared_from_this(),
                   clients_.enter(std::make_shared<Client>(std::move(socket), admins_))));
}

asio::awaitable<void> ControlServer::Shared::serve(std::shared_ptr<Shared> self,
                                                   Clients<Client>::Place client) {
  bool readable = true;
  while (readable) {
    self->give_patience(client.client());
    const auto [read_ec, size] = co_await asio::async_read_until(
        client->socket, asio::dynamic_buffer(client->input, self->limits_.max_request), '\n',
        as_result);
    const bool too_long = read_ec == asio::error::not_found;
    if (!self->file_ || (read_ec && !too_long)) break;
    const Reply reply =
        too_long ? Reply{self->line_of(control_error(
                             ExitCode::usage, fmt::format("the request has more than {} bytes",
                                                          self->limits_.max_request))),
                         false}  // what follows would be the rest of it
                 : self->answer(std::string_view(client->input).substr(0, size), client->peer);
    client->input.erase(0, size);
    readable = reply.goes_on;

    self->give_patience(client.client());
    const auto [write_ec, sent] =
        co_await asio::async_write(client->socket, asio::buffer(reply.line), as_result);
    if (write_ec) break;
  }
}

ControlServer::Shared::Reply ControlServer::Shared::answer(std::string_view line,
                                                           const ControlPeer& peer) const {
  const auto request = report::parse_control_request(line);
  if (!request) return {line_of(control_error(ExitCode::usage, request.error().detail))};
  return answer(*request, peer);
}

// A client whose request ends in an exception gets that answer and is disconnected; what that means
// for the program is the owner's to say.
ControlServer::Shared::Reply ControlServer::Shared::answer(const json::object& request,
                                                           const ControlPeer& peer) const {
  std::exception_ptr failure;
  try {
    return {line_of(callbacks_.answer(request, peer))};
  } catch (...) {
    failure = std::current_exception();
  }
  callbacks_.on_exception(request, failure);
  return {line_of(control_error(ExitCode::internal,
                                fmt::format("internal error: {}", reason(failure)))),
          false};
}

std::string ControlServer::Shared::line_of(const json::object& answer) const {
  return report::control_line(answer, limits_.max_answer);
}

void ControlServer::Shared::give_patience(const ClientPtr& client) const {
  client->deadline.expires_after(limits_.patience);
  client->deadline.async_wait([client](error_code ec) {
    if (!ec) client->socket.close(ec);
  });
}

}  // namespace saspd::net
