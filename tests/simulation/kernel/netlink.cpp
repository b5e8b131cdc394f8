// SPDX-License-Identifier: Apache-2.0

#include "tests/simulation/kernel/netlink.hpp"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/ip_vs.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

namespace saspd::simulation {
namespace {

using Datagram = std::vector<std::uint8_t>;

NetlinkKernel* kernel = nullptr;

// The attributes of a nest by number, as nla_parse_nested() gives them.
class Nest {
 public:
  Nest(const void* payload, std::size_t size) {
    const auto take = [](const nlattr* attribute, void* of) {
      auto& values = *static_cast<std::array<const nlattr*, 32>*>(of);
      const auto type = mnl_attr_get_type(attribute);
      if (type < values.size()) values.at(type) = attribute;
      return MNL_CB_OK;
    };
    mnl_attr_parse_payload(payload, size, take, &values_);
  }
  explicit Nest(const nlattr* nest)
      : Nest(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest)) {}

  const nlattr* find(std::size_t type) const { return values_.at(type); }
  template <class... Types>
  bool has(Types... types) const {
    return (... && (find(types) != nullptr));
  }
  std::uint8_t u8(std::size_t type) const { return value<std::uint8_t>(type); }
  std::uint16_t u16(std::size_t type) const { return value<std::uint16_t>(type); }
  std::uint32_t u32(std::size_t type) const { return value<std::uint32_t>(type); }
  std::uint16_t port(std::size_t type) const { return __builtin_bswap16(u16(type)); }
  std::string text(std::size_t type) const {
    return find(type) != nullptr ? mnl_attr_get_str(find(type)) : "";
  }
  IpAddress address(std::size_t type, std::uint16_t family) const {
    std::array<std::uint8_t, 16> bytes{};
    if (const auto* attribute = find(type)) {
      std::memcpy(bytes.data(), mnl_attr_get_payload(attribute),
                  std::min<std::size_t>(bytes.size(), mnl_attr_get_payload_len(attribute)));
    }
    return family == AF_INET6 ? IpAddress::v6(bytes) : IpAddress::v4(std::span(bytes).first<4>());
  }

 private:
  template <class T>
  T value(std::size_t type) const {
    T value{};
    const auto* attribute = find(type);
    if (attribute != nullptr && mnl_attr_get_payload_len(attribute) >= sizeof value)
      std::memcpy(&value, mnl_attr_get_payload(attribute), sizeof value);
    return value;
  }

  std::array<const nlattr*, 32> values_{};
};

std::uint16_t number_of(Family family) {
  return family == Family::v4 ? AF_INET : AF_INET6;
}

void put_port(nlmsghdr* message, std::uint16_t type, std::uint16_t port) {
  mnl_attr_put_u16(message, type, __builtin_bswap16(port));
}
// union nf_inet_addr: always 16 bytes.
void put_address(nlmsghdr* message, std::uint16_t type, const IpAddress& address) {
  std::array<std::uint8_t, 16> bytes{};
  std::copy(address.bytes().begin(), address.bytes().end(), bytes.begin());
  mnl_attr_put(message, type, bytes.size(), bytes.data());
}

// ip_vs_genl_parse_service().
struct Asked {
  int error = 0;
  lb::ServiceKey key;
  Virtual settings;
};
Asked parse_service(const nlattr* nest, bool whole) {
  Asked asked;
  if (nest == nullptr) return {EINVAL, {}, {}};
  const Nest service(nest);
  const auto family = service.u16(IPVS_SVC_ATTR_AF);
  if (family != AF_INET && family != AF_INET6) return {EAFNOSUPPORT, {}, {}};
  if (service.has(IPVS_SVC_ATTR_FWMARK)) {
    asked.key = lb::FirewallMark{family == AF_INET ? Family::v4 : Family::v6,
                                 service.u32(IPVS_SVC_ATTR_FWMARK)};
  } else if (service.has(IPVS_SVC_ATTR_PROTOCOL, IPVS_SVC_ATTR_ADDR, IPVS_SVC_ATTR_PORT)) {
    asked.key = lb::VirtualEndpoint{
        static_cast<lb::Protocol>(service.u16(IPVS_SVC_ATTR_PROTOCOL)),
        {service.address(IPVS_SVC_ATTR_ADDR, family), service.port(IPVS_SVC_ATTR_PORT)}};
  } else {
    return {EINVAL, {}, {}};
  }
  if (!whole) return asked;
  if (!service.has(IPVS_SVC_ATTR_SCHED_NAME, IPVS_SVC_ATTR_FLAGS, IPVS_SVC_ATTR_TIMEOUT,
                   IPVS_SVC_ATTR_NETMASK)) {
    return {EINVAL, {}, {}};
  }
  asked.settings = {service.text(IPVS_SVC_ATTR_SCHED_NAME), service.u32(IPVS_SVC_ATTR_FLAGS),
                    service.u32(IPVS_SVC_ATTR_TIMEOUT), service.u32(IPVS_SVC_ATTR_NETMASK)};
  return asked;
}

// ip_vs_genl_parse_dest().
struct AskedServer {
  int error = 0;
  Server server;
  Real real;
};
AskedServer parse_destination(const nlattr* nest, bool whole, Family of_service) {
  AskedServer asked;
  if (nest == nullptr) return {EINVAL, {}, {}};
  const Nest destination(nest);
  if (!destination.has(IPVS_DEST_ATTR_ADDR, IPVS_DEST_ATTR_PORT)) return {EINVAL, {}, {}};
  auto family = destination.u16(IPVS_DEST_ATTR_ADDR_FAMILY);
  if (family == 0) family = number_of(of_service);
  asked.server = {destination.address(IPVS_DEST_ATTR_ADDR, family),
                  destination.port(IPVS_DEST_ATTR_PORT)};
  if (!whole) return asked;
  if (!destination.has(IPVS_DEST_ATTR_FWD_METHOD, IPVS_DEST_ATTR_WEIGHT, IPVS_DEST_ATTR_U_THRESH,
                       IPVS_DEST_ATTR_L_THRESH)) {
    return {EINVAL, {}, {}};
  }
  asked.real = {
      destination.u32(IPVS_DEST_ATTR_WEIGHT),   destination.u32(IPVS_DEST_ATTR_FWD_METHOD) & 0x7U,
      destination.u32(IPVS_DEST_ATTR_U_THRESH), destination.u32(IPVS_DEST_ATTR_L_THRESH),
      destination.u8(IPVS_DEST_ATTR_TUN_TYPE),  destination.port(IPVS_DEST_ATTR_TUN_PORT),
      destination.u16(IPVS_DEST_ATTR_TUN_FLAGS)};
  return asked;
}

void put_key(nlmsghdr* message, const lb::ServiceKey& key) {
  mnl_attr_put_u16(message, IPVS_SVC_ATTR_AF, number_of(lb::family(key)));
  if (const auto* mark = std::get_if<lb::FirewallMark>(&key)) {
    mnl_attr_put_u32(message, IPVS_SVC_ATTR_FWMARK, mark->mark);
    return;
  }
  const auto& at = std::get<lb::VirtualEndpoint>(key);
  mnl_attr_put_u16(message, IPVS_SVC_ATTR_PROTOCOL, static_cast<std::uint16_t>(at.protocol));
  put_address(message, IPVS_SVC_ATTR_ADDR, at.endpoint.address);
  put_port(message, IPVS_SVC_ATTR_PORT, at.endpoint.port);
}

// An answer that grows.
class Answer {
 public:
  Answer(const nlmsghdr& question, std::uint16_t type, std::uint16_t flags) {
    message_ = mnl_nlmsg_put_header(buffer_.data());
    message_->nlmsg_type = type;
    message_->nlmsg_flags = flags;
    message_->nlmsg_seq = question.nlmsg_seq;
  }
  nlmsghdr* generic(std::uint8_t command) {
    auto* header =
        static_cast<genlmsghdr*>(mnl_nlmsg_put_extra_header(message_, sizeof(genlmsghdr)));
    header->cmd = command;
    header->version = 1;
    return message_;
  }
  nlmsghdr* operator->() const { return message_; }
  nlmsghdr* get() const { return message_; }
  void append_to(Datagram& datagram) const {
    datagram.insert(datagram.end(), buffer_.begin(), buffer_.begin() + message_->nlmsg_len);
    datagram.resize(MNL_ALIGN(datagram.size()));
  }

 private:
  alignas(8) std::array<std::uint8_t, 512> buffer_;  // NOLINT: as far as it is used, it is written
  nlmsghdr* message_ = nullptr;
};

void put_row(Answer& answer, const IpvsKernel::Row& row) {
  auto* message = answer.generic(IPVS_CMD_NEW_DEST);
  nlattr* nest = mnl_attr_nest_start(message, IPVS_CMD_ATTR_DEST);
  put_address(message, IPVS_DEST_ATTR_ADDR, row.server.address);
  put_port(message, IPVS_DEST_ATTR_PORT, row.server.port);
  mnl_attr_put_u32(message, IPVS_DEST_ATTR_FWD_METHOD, row.real.forward);
  mnl_attr_put_u32(message, IPVS_DEST_ATTR_WEIGHT, row.real.weight);
  mnl_attr_put_u8(message, IPVS_DEST_ATTR_TUN_TYPE, row.real.tunnel_type);
  put_port(message, IPVS_DEST_ATTR_TUN_PORT, row.real.tunnel_port);
  mnl_attr_put_u16(message, IPVS_DEST_ATTR_TUN_FLAGS, row.real.tunnel_flags);
  mnl_attr_put_u32(message, IPVS_DEST_ATTR_U_THRESH, row.real.upper);
  mnl_attr_put_u32(message, IPVS_DEST_ATTR_L_THRESH, row.real.lower);
  mnl_attr_put_u32(message, IPVS_DEST_ATTR_ACTIVE_CONNS, row.connections);
  mnl_attr_put_u32(message, IPVS_DEST_ATTR_INACT_CONNS, 0);
  mnl_attr_put_u32(message, IPVS_DEST_ATTR_PERSIST_CONNS, 0);
  mnl_attr_put_u16(message, IPVS_DEST_ATTR_ADDR_FAMILY, number_of(row.server.address.family()));
  mnl_attr_nest_end(message, nest);
}

void put_service(Answer& answer, const lb::ServiceKey& key, const Virtual& settings) {
  auto* message = answer.generic(IPVS_CMD_NEW_SERVICE);
  nlattr* nest = mnl_attr_nest_start(message, IPVS_CMD_ATTR_SERVICE);
  put_key(message, key);
  mnl_attr_put_strz(message, IPVS_SVC_ATTR_SCHED_NAME, settings.scheduler.c_str());
  const ip_vs_flags flags{settings.flags, 0xFFFFFFFF};
  mnl_attr_put(message, IPVS_SVC_ATTR_FLAGS, sizeof flags, &flags);
  mnl_attr_put_u32(message, IPVS_SVC_ATTR_TIMEOUT, settings.timeout);
  mnl_attr_put_u32(message, IPVS_SVC_ATTR_NETMASK, settings.netmask);
  mnl_attr_nest_end(message, nest);
}

}  // namespace

class NetlinkKernel::Socket {
 public:
  explicit Socket(NetlinkKernel& of) : ipvs_(of.ipvs_), fate_(of.fate_) {}

  ssize_t send(const void* bytes, std::size_t size) {
    if (const int error = fate_.send_fails()) return failed(error);
    int left = static_cast<int>(size);
    for (const auto* message = static_cast<const nlmsghdr*>(bytes); mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      handle(*message);
    }
    return static_cast<ssize_t>(size);
  }

  ssize_t receive(void* buffer, std::size_t size) {
    if (std::exchange(overflowed_, false)) return failed(ENOBUFS);
    if (const int error = fate_.receive_fails()) return failed(error);
    if (waiting_.empty() && dump_) next_part();
    if (waiting_.empty()) return failed(EAGAIN);
    const Datagram datagram = std::move(waiting_.front());
    waiting_.pop_front();
    std::memcpy(buffer, datagram.data(), std::min(size, datagram.size()));
    return static_cast<ssize_t>(datagram.size());
  }

 private:
  // One that goes on from part to part: what it has shown is known by position alone.
  struct Dump {
    nlmsghdr question{};
    std::optional<lb::ServiceKey> service;  // its destinations; nothing: all services
    std::size_t position = 0;
    std::vector<Server> shown;
  };

  static ssize_t failed(int error) {
    errno = error;
    return -1;
  }

  void handle(const nlmsghdr& message) {
    const auto* generic = static_cast<const genlmsghdr*>(mnl_nlmsg_get_payload(&message));
    const Nest attributes(mnl_nlmsg_get_payload_offset(&message, GENL_HDRLEN),
                          mnl_nlmsg_get_payload_len(&message) - GENL_HDRLEN);
    if (message.nlmsg_type == GENL_ID_CTRL) return resolve(message);
    if (!ipvs_.loaded() || message.nlmsg_type != ipvs_.family()) return verdict(message, ENOENT);
    switch (generic->cmd) {
      case IPVS_CMD_GET_INFO: return info(message);
      case IPVS_CMD_GET_SERVICE: return get_service(message, attributes);
      case IPVS_CMD_GET_DEST: return get_destinations(message, attributes);
      default: return write(message, generic->cmd, attributes);
    }
  }

  void resolve(const nlmsghdr& message) {
    if (!ipvs_.loaded()) return verdict(message, ENOENT);
    Answer answer(message, GENL_ID_CTRL, 0);
    mnl_attr_put_u16(answer.generic(CTRL_CMD_NEWFAMILY), CTRL_ATTR_FAMILY_ID, ipvs_.family());
    say(answer);
  }

  void info(const nlmsghdr& message) {
    Answer answer(message, ipvs_.family(), 0);
    mnl_attr_put_u32(answer.generic(IPVS_CMD_SET_INFO), IPVS_INFO_ATTR_VERSION, 0x010201);
    say(answer);
  }

  void get_service(const nlmsghdr& message, const Nest& attributes) {
    if ((message.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) {
      dump_ = {message, std::nullopt, 0, {}};
      return;
    }
    fate_.before(Fate::Step::question);
    const auto asked = parse_service(attributes.find(IPVS_CMD_ATTR_SERVICE), false);
    if (asked.error != 0) return verdict(message, asked.error);
    const auto* service = ipvs_.find(asked.key);
    if (service == nullptr) {
      fate_.absent(asked.key);
      return verdict(message, ESRCH);
    }
    Answer answer(message, ipvs_.family(), 0);
    put_service(answer, asked.key, service->settings);
    say(answer);
  }

  // Of a service that does not exist: none.
  void get_destinations(const nlmsghdr& message, const Nest& attributes) {
    const auto asked = parse_service(attributes.find(IPVS_CMD_ATTR_SERVICE), false);
    if (asked.error != 0) return verdict(message, asked.error);
    dump_ = {message, asked.key, 0, {}};
  }

  void next_part() {
    fate_.before(Fate::Step::dump_part);
    Dump& dump = *dump_;
    Datagram datagram;
    const std::size_t end = dump.position + fate_.part();
    bool more = false;
    if (dump.service) {
      more = add_destinations(dump, end, datagram);
    } else {
      more = add_services(dump, end, datagram);
    }
    dump.position = end;
    if (!more) {
      Answer done(dump.question, NLMSG_DONE, NLM_F_MULTI);
      *static_cast<int*>(mnl_nlmsg_put_extra_header(done.get(), sizeof(int))) = 0;
      done.append_to(datagram);
      if (dump.service) fate_.dumped(*dump.service, dump.shown);
      dump_.reset();
    }
    waiting_.push_back(std::move(datagram));
  }

  bool add_destinations(Dump& dump, std::size_t end, Datagram& datagram) {
    const auto* service = ipvs_.find(*dump.service);
    if (service == nullptr) return false;
    const auto& rows = service->destinations;
    for (std::size_t n = dump.position; n < std::min(end, rows.size()); ++n) {
      Answer answer(dump.question, ipvs_.family(), NLM_F_MULTI);
      put_row(answer, rows[n]);
      answer.append_to(datagram);
      fate_.shown(*dump.service, rows[n].server, rows[n].real);
      dump.shown.push_back(rows[n].server);
    }
    return end < rows.size();
  }

  bool add_services(Dump& dump, std::size_t end, Datagram& datagram) {
    std::size_t n = 0;
    for (const auto& [key, service] : ipvs_.services()) {
      if (n >= end) return true;
      if (n++ < dump.position) continue;
      Answer answer(dump.question, ipvs_.family(), NLM_F_MULTI);
      put_service(answer, key, service.settings);
      answer.append_to(datagram);
    }
    return false;
  }

  void write(const nlmsghdr& message, std::uint8_t command, const Nest& attributes) {
    fate_.before(Fate::Step::write);
    if (fate_.answers_overflow()) {
      overflowed_ = true;
      lossy_sequence_ = message.nlmsg_seq;
    }
    int error = fate_.write_fails();
    if (error == 0) error = carry_out(command, attributes);
    if (error != 0 || (message.nlmsg_flags & NLM_F_ACK) != 0) verdict(message, error);
    fate_.after_write();
  }

  // ip_vs_genl_set_cmd().
  int carry_out(std::uint8_t command, const Nest& attributes) {
    const bool whole_service = command == IPVS_CMD_NEW_SERVICE || command == IPVS_CMD_SET_SERVICE;
    const auto service = parse_service(attributes.find(IPVS_CMD_ATTR_SERVICE), whole_service);
    if (service.error != 0) return service.error;
    if (command != IPVS_CMD_NEW_SERVICE && ipvs_.find(service.key) == nullptr) return ESRCH;
    switch (command) {
      case IPVS_CMD_NEW_SERVICE:
        return ipvs_.add_service(Author::us, service.key, service.settings);
      case IPVS_CMD_SET_SERVICE:
        return ipvs_.edit_service(Author::us, service.key, service.settings);
      case IPVS_CMD_DEL_SERVICE: return ipvs_.delete_service(Author::us, service.key);
      default: break;
    }
    const auto asked = parse_destination(attributes.find(IPVS_CMD_ATTR_DEST),
                                         command != IPVS_CMD_DEL_DEST, lb::family(service.key));
    if (asked.error != 0) return asked.error;
    switch (command) {
      case IPVS_CMD_NEW_DEST: return ipvs_.add(Author::us, service.key, asked.server, asked.real);
      case IPVS_CMD_SET_DEST: return ipvs_.edit(Author::us, service.key, asked.server, asked.real);
      case IPVS_CMD_DEL_DEST: return ipvs_.remove(Author::us, service.key, asked.server);
      default: return EINVAL;
    }
  }

  // netlink_ack(), with NETLINK_CAP_ACK: without the request. Lost once the buffer is full.
  void verdict(const nlmsghdr& message, int error) {
    if (lossy_sequence_ != 0) return;
    Answer answer(message, NLMSG_ERROR, NLM_F_CAPPED);
    auto* said = static_cast<nlmsgerr*>(mnl_nlmsg_put_extra_header(answer.get(), sizeof(nlmsgerr)));
    said->error = -error;
    said->msg = message;
    say(answer);
  }

  void say(const Answer& answer) {
    Datagram datagram;
    answer.append_to(datagram);
    waiting_.push_back(std::move(datagram));
  }

  IpvsKernel& ipvs_;
  Fate& fate_;
  std::deque<Datagram> waiting_;
  std::optional<Dump> dump_;
  bool overflowed_ = false;
  std::uint32_t lossy_sequence_ = 0;  // of the request whose answer was the first to be lost
};

NetlinkKernel::NetlinkKernel(IpvsKernel& ipvs, Fate& fate) : ipvs_(ipvs), fate_(fate) {
  kernel = this;
}
NetlinkKernel::~NetlinkKernel() {
  kernel = nullptr;
}

}  // namespace saspd::simulation

// --- in the place of libmnl's and libc's, where there is a kernel of the simulation

using saspd::simulation::NetlinkKernel;

namespace {

std::set<const void*>& simulated() {
  static std::set<const void*> sockets;
  return sockets;
}
NetlinkKernel::Socket* of(const mnl_socket* socket) {
  if (!simulated().contains(socket)) return nullptr;
  return reinterpret_cast<NetlinkKernel::Socket*>(const_cast<mnl_socket*>(socket));
}

}  // namespace

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
mnl_socket* __real_mnl_socket_open2(int bus, int flags);
int __real_mnl_socket_bind(mnl_socket* socket, unsigned groups, pid_t pid);
int __real_mnl_socket_setsockopt(const mnl_socket* socket, int type, void* buffer, socklen_t size);
int __real_mnl_socket_get_fd(const mnl_socket* socket);
int __real_mnl_socket_close(mnl_socket* socket);
ssize_t __real_mnl_socket_sendto(const mnl_socket* socket, const void* bytes, size_t size);
ssize_t __real_mnl_socket_recvfrom(const mnl_socket* socket, void* buffer, size_t size);
int __real_poll(pollfd* descriptors, nfds_t count, int timeout);

mnl_socket* __wrap_mnl_socket_open2(int bus, int flags) {
  if (saspd::simulation::kernel == nullptr) return __real_mnl_socket_open2(bus, flags);
  auto* socket = new NetlinkKernel::Socket(*saspd::simulation::kernel);
  simulated().insert(socket);
  return reinterpret_cast<mnl_socket*>(socket);
}
int __wrap_mnl_socket_bind(mnl_socket* socket, unsigned groups, pid_t pid) {
  return of(socket) != nullptr ? 0 : __real_mnl_socket_bind(socket, groups, pid);
}
int __wrap_mnl_socket_setsockopt(const mnl_socket* socket, int type, void* buffer, socklen_t size) {
  return of(socket) != nullptr ? 0 : __real_mnl_socket_setsockopt(socket, type, buffer, size);
}
int __wrap_mnl_socket_get_fd(const mnl_socket* socket) {
  return of(socket) != nullptr ? -1 : __real_mnl_socket_get_fd(socket);
}
int __wrap_mnl_socket_close(mnl_socket* socket) {
  auto* ours = of(socket);
  if (ours == nullptr) return __real_mnl_socket_close(socket);
  simulated().erase(socket);
  delete ours;
  return 0;
}
ssize_t __wrap_mnl_socket_sendto(const mnl_socket* socket, const void* bytes, size_t size) {
  auto* ours = of(socket);
  return ours != nullptr ? ours->send(bytes, size) : __real_mnl_socket_sendto(socket, bytes, size);
}
ssize_t __wrap_mnl_socket_recvfrom(const mnl_socket* socket, void* buffer, size_t size) {
  auto* ours = of(socket);
  return ours != nullptr ? ours->receive(buffer, size)
                         : __real_mnl_socket_recvfrom(socket, buffer, size);
}
// What has not been answered yet never will be: the kernel answers within the call.
int __wrap_poll(pollfd* descriptors, nfds_t count, int timeout) {
  const bool ours = count == 1 && descriptors[0].fd == -1;
  return ours ? 0 : __real_poll(descriptors, count, timeout);
}
// NOLINTEND(bugprone-reserved-identifier)
}
