#include "server/api/blob_request.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "protocol/base/base64.h"
#include "protocol/base/error_catalog.h"
#include "protocol/base/iso_time.h"
#include "protocol/base/limits.h"
#include "server/api/message_headers.h"

namespace kyanite {
namespace {

struct BlobErrorRow {
  Errc code;
  int status;
  std::string_view name;
};

constexpr std::array kBlobErrors{
    BlobErrorRow{Errc::unauthorized, 403, "AuthenticationFailed"},
    BlobErrorRow{Errc::not_found, 404, "BlobNotFound"},
    BlobErrorRow{Errc::route_not_found, 404, "ResourceNotFound"},
    BlobErrorRow{Errc::method_not_allowed, 405, "UnsupportedHttpVerb"},
    BlobErrorRow{Errc::conflict, 409, "BlobAlreadyExists"},
    BlobErrorRow{Errc::precondition_failed, 412, "ConditionNotMet"},
    BlobErrorRow{Errc::request_too_large, 413, "RequestBodyTooLarge"},
    BlobErrorRow{Errc::format_error, 400, "InvalidXmlDocument"},
    BlobErrorRow{Errc::argument_invalid, 400, "InvalidInput"},
    BlobErrorRow{Errc::busy, 503, "ServerBusy"},
    BlobErrorRow{Errc::shutting_down, 503, "ServerBusy"},
};

// The service's name in front of a detail such as "Md5Mismatch: …".
std::string_view named_in(std::string_view detail) {
  const std::size_t end = detail.find(": ");
  if (end == std::string_view::npos || end == 0) return {};
  const std::string_view name = detail.substr(0, end);
  const bool is_name = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
  return is_name ? name : std::string_view();
}

std::string xml_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Error bad_xml() { return Error(Errc::format_error, "the body is not a BlockList"); }

std::optional<std::string> decode_block_id(std::string_view text) {
  auto id = decode_base64(text);
  if (!id || id->empty() || id->size() > limits::kBlockIdBytesMax) return std::nullopt;
  return id;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

BlobSas blob_sas_of(const HttpRequest& request) {
  const auto value = [&request](std::string_view name) {
    return std::string(request.query_value(name).value_or(std::string_view()));
  };
  BlobSas sas;
  sas.version = value("sv");
  sas.start = value("st");
  sas.expiry = value("se");
  sas.resource = value("sr");
  sas.permissions = value("sp");
  sas.identifier = value("si");
  sas.ip = value("sip");
  sas.protocol = value("spr");
  sas.signature = value("sig");
  sas.cache_control = value("rscc");
  sas.disposition = value("rscd");
  sas.encoding = value("rsce");
  sas.language = value("rscl");
  sas.type = value("rsct");
  return sas;
}

Result<std::string> block_id_of(const HttpRequest& request) {
  std::string text(request.query_value("blockid").value_or(std::string_view()));
  std::replace(text.begin(), text.end(), ' ', '+');
  auto id = decode_block_id(text);
  if (!id) return Error(Errc::argument_invalid, "InvalidBlockId: blockid must be base64 of 1 to 64 bytes");
  return *std::move(id);
}

// Not XML in general: what the service's clients write. Anything else is refused.
Result<std::vector<std::string>> parse_block_list(std::string_view xml) {
  if (xml.starts_with("\xEF\xBB\xBF")) xml.remove_prefix(3);
  xml = trimmed(xml);
  if (xml.starts_with("<?xml")) {
    const std::size_t end = xml.find("?>");
    if (end == std::string_view::npos) return bad_xml();
    xml = trimmed(xml.substr(end + 2));
  }
  if (xml == "<BlockList/>" || xml == "<BlockList />") return std::vector<std::string>();
  constexpr std::string_view kBegin = "<BlockList>", kEnd = "</BlockList>";
  if (!xml.starts_with(kBegin) || !xml.ends_with(kEnd) || xml.size() < kBegin.size() + kEnd.size()) {
    return bad_xml();
  }
  xml = trimmed(xml.substr(kBegin.size(), xml.size() - kBegin.size() - kEnd.size()));
  std::vector<std::string> ids;
  while (!xml.empty()) {
    const std::size_t open = xml.find('>');
    if (xml.front() != '<' || open == std::string_view::npos) return bad_xml();
    const std::string_view name = xml.substr(1, open - 1);
    if (name != "Latest" && name != "Uncommitted" && name != "Committed") return bad_xml();
    const std::string close = "</" + std::string(name) + ">";
    const std::size_t end = xml.find(close, open);
    if (end == std::string_view::npos) return bad_xml();
    auto id = decode_block_id(trimmed(xml.substr(open + 1, end - open - 1)));
    if (!id)
      return Error(Errc::argument_invalid, "InvalidBlockId: an id in the list is no base64 of 1 to 64 bytes");
    if (ids.size() >= limits::kBlocksPerBlobMax) {
      return Error(Errc::request_too_large, "a list has at most 50000 blocks");
    }
    ids.push_back(*std::move(id));
    xml = trimmed(xml.substr(end + close.size()));
  }
  return ids;
}

Result<BlobWrite> blob_write_of(const HttpRequest& request, std::string name, bool for_list) {
  BlobWrite blob;
  blob.name = std::move(name);
  blob.content_type = last_header(request, "x-ms-blob-content-type");
  if (blob.content_type.empty() && !for_list) blob.content_type = last_header(request, "content-type");
  if (blob.content_type.empty()) blob.content_type = "application/octet-stream";
  if (blob.content_type.size() > limits::kBlobContentTypeBytesMax) {
    return Error(Errc::argument_invalid, "InvalidHeaderValue: the content type is too long");
  }
  const std::string stated(last_header(request, "x-ms-blob-content-md5"));
  const std::string_view sent = last_header(request, "content-md5");
  for (const std::string_view md5 : {std::string_view(stated), sent}) {
    const auto bytes = decode_base64(md5);
    if (!md5.empty() && (!bytes || bytes->size() != 16)) {
      return Error(Errc::argument_invalid, "InvalidMd5: an MD5 must be base64 of 16 bytes");
    }
  }
  if (for_list) {
    blob.stated_md5 = stated;
  } else {
    blob.content_md5 = sent.empty() ? stated : std::string(sent);
  }
  blob.only_new = last_header(request, "if-none-match") == "*";
  blob.if_match = parse_if_match(request.header("if-match"));
  return blob;
}

std::optional<ByteRange> byte_range_of(const HttpRequest& request, std::uint64_t size) {
  std::string_view text = last_header(request, "x-ms-range");
  if (text.empty()) text = last_header(request, "range");
  constexpr std::string_view kUnit = "bytes=";
  const std::size_t dash = text.find('-');
  if (!text.starts_with(kUnit) || dash == std::string_view::npos ||
      text.find(',') != std::string_view::npos) {
    return ByteRange{0, size, false};  // other ranges may be passed over (RFC 9110 section 14.2)
  }
  const auto first = number(text.substr(kUnit.size(), dash - kUnit.size()));
  const auto last = number(text.substr(dash + 1));
  if (!first) return ByteRange{0, size, false};
  if (*first >= size) return std::nullopt;
  const std::uint64_t end = last && *last < size ? *last : size - 1;
  if (end < *first) return ByteRange{0, size, false};
  return ByteRange{*first, end - *first + 1, true};
}

HttpResponse blob_error_response(const Error& error, const HttpRequest& request, WallTime now) {
  int status = 500;
  std::string name = "InternalError";
  for (const BlobErrorRow& row : kBlobErrors) {
    if (row.code != error.code) continue;
    status = row.status;
    name = row.name;
  }
  std::string message(error_row(error.code).text);
  if (error.code == Errc::argument_invalid) {
    if (const std::string_view named = named_in(error.detail); !named.empty()) name = named;
    message = error.detail;
    if (name == "InvalidRange") status = 416;
  } else if (error.code == Errc::request_too_large) {
    message = error.detail;
  }
  HttpResponse response;
  response.status = status;
  response.content_type = "application/xml";
  response.headers.emplace_back("x-ms-error-code", name);
  response.headers.emplace_back("x-ms-request-id", request.tracking_id);
  response.headers.emplace_back("x-ms-version", "2018-03-28");
  response.body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>" + name + "</Code><Message>" +
                  xml_text(message) + "\nRequestId:" + request.tracking_id + "\nTime:" + to_iso_time(now) +
                  "</Message></Error>";
  return response;
}

}  // namespace kyanite
