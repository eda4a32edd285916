#include "server/app/blob_transfer.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr long kBlobConnectSeconds = 10;
constexpr long kBlobProbeSeconds = 20;
constexpr long kBlobTransferSeconds = 3600;
constexpr long kBlobSilenceSeconds = 60;  // nothing moves for so long
constexpr std::size_t kErrorNameBytesMax = 100;

Error unusable(std::string sentence) { return Error(Errc::blob_container_invalid, std::move(sentence)); }

struct BlobDownload {
  CURL* handle;
  int file;  // -1: probing
  const FileRoom* room = nullptr;
  std::uint64_t size = 0;
  bool probed = false;
  std::string fault{};  // why the rest is not taken
};

struct BlobUpload {
  int file;
  std::uint64_t size;
  std::uint64_t sent = 0;
};

class BlobRequest {
 public:
  BlobRequest(const std::string& url, const TransferStop& stop) : stop_(stop) {
    if (!handle()) return;
    add_header("x-ms-version: 2021-08-06");
    add_header("Expect:");
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT, kBlobConnectSeconds);
    set(CURLOPT_TIMEOUT, kBlobTransferSeconds);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, kBlobSilenceSeconds);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, is_to_stop);
    set(CURLOPT_XFERINFODATA, this);
    set(CURLOPT_HEADERFUNCTION, take_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, ignore);
  }
  ~BlobRequest() {
    curl_slist_free_all(headers_);
    curl_easy_cleanup(handle_);
  }
  BlobRequest(const BlobRequest&) = delete;
  BlobRequest& operator=(const BlobRequest&) = delete;

  CURL* handle() const { return handle_; }
  void add_header(const char* line) { headers_ = curl_slist_append(headers_, line); }
  template <class T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(handle_, option, value);
  }

  // Nothing when the status is one of the 2xx.
  Result<void> perform(bool* broken_off = nullptr) {
    if (!handle_) return unusable("libcurl cannot be used");
    set(CURLOPT_HTTPHEADER, headers_);
    const CURLcode code = curl_easy_perform(handle_);
    long status = 0;
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    if (status != 0 && status / 100 != 2) return unusable("the blob service answered " + answer(status));
    if (code == CURLE_OK || (broken_off && *broken_off)) return {};
    if (code == CURLE_ABORTED_BY_CALLBACK) return unusable("the transfer was broken off");
    return unusable(std::string("the blob service cannot be reached: ") + curl_easy_strerror(code));
  }

 private:
  static std::size_t ignore(char*, std::size_t, std::size_t size, void*) { return size; }
  static int is_to_stop(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<BlobRequest*>(self)->stop_() ? 1 : 0;
  }
  // The service says in a header what is wrong.
  static std::size_t take_header(char* data, std::size_t, std::size_t size, void* self) {
    constexpr std::string_view kName = "x-ms-error-code:";
    const std::string_view line(data, size);
    if (!equals_ignoring_case(line.substr(0, kName.size()), kName)) return size;
    std::string& name = static_cast<BlobRequest*>(self)->error_name_;
    name.clear();
    for (const char c : line.substr(kName.size(), kErrorNameBytesMax)) {
      if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) name += c;
    }
    return size;
  }
  std::string answer(long status) const {
    return std::to_string(status) + (error_name_.empty() ? "" : " (" + error_name_ + ")");
  }

  const TransferStop& stop_;
  CURL* handle_ = curl_easy_init();
  curl_slist* headers_ = nullptr;
  std::string error_name_;
};

std::size_t send_blob_file(char* into, std::size_t size, std::size_t count, void* self) {
  auto& upload = *static_cast<BlobUpload*>(self);
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(size * count, upload.size - upload.sent));
  const ssize_t got = ::pread(upload.file, into, wanted, static_cast<off_t>(upload.sent));
  if (got < 0) return CURL_READFUNC_ABORT;
  upload.sent += static_cast<std::uint64_t>(got);
  return static_cast<std::size_t>(got);
}

int rewind_blob_file(void* self, curl_off_t offset, int origin) {
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<BlobUpload*>(self)->sent = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

std::size_t receive_blob(char* data, std::size_t, std::size_t size, void* self) {
  auto& download = *static_cast<BlobDownload*>(self);
  long status = 0;
  curl_easy_getinfo(download.handle, CURLINFO_RESPONSE_CODE, &status);
  if (status / 100 != 2) return size;  // the sentence comes from the status
  if (download.file < 0) {
    download.probed = true;
    return 0;
  }
  if (download.size + size > kBlobBytesMax) {
    download.fault = "the blob is larger than a blob may be";
    return 0;
  }
  if (!(*download.room)(size)) {
    download.fault = "there is not enough free space on the disk";
    return 0;
  }
  for (std::size_t done = 0; done < size;) {
    const ssize_t wrote =
        ::pwrite(download.file, data + done, size - done, static_cast<off_t>(download.size + done));
    if (wrote <= 0) {
      download.fault = "the blob cannot be stored for reading";
      return 0;
    }
    done += static_cast<std::size_t>(wrote);
  }
  download.size += size;
  return size;
}

}  // namespace

Result<std::string> blob_url(std::string_view container, std::string_view name) {
  const bool is_web = container.starts_with("http://") || container.starts_with("https://");
  const bool is_clean = std::all_of(container.begin(), container.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '#';
  });
  if (!is_web || !is_clean)
    return unusable("the container must be an http or https address with its signature");
  const std::size_t query = std::min(container.find('?'), container.size());
  std::string url(container.substr(0, query));
  while (url.ends_with('/')) url.pop_back();
  for (std::size_t from = 0; from <= name.size();) {
    const std::size_t end = std::min(name.find('/', from), name.size());
    url += "/" + percent_encode(name.substr(from, end - from));
    from = end + 1;
  }
  url += container.substr(query);
  return url;
}

Result<void> put_blob(const std::string& url, int file, std::uint64_t size, const TransferStop& stop) {
  if (size > kBlobBytesMax) return unusable("the blob would be larger than a blob may be");
  BlobRequest request(url, stop);
  BlobUpload upload{file, size};
  request.add_header("x-ms-blob-type: BlockBlob");
  request.add_header("Content-Type: application/octet-stream");
  request.set(CURLOPT_UPLOAD, 1L);
  request.set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
  request.set(CURLOPT_READFUNCTION, send_blob_file);
  request.set(CURLOPT_READDATA, &upload);
  request.set(CURLOPT_SEEKFUNCTION, rewind_blob_file);
  request.set(CURLOPT_SEEKDATA, &upload);
  if (size == 0) request.set(CURLOPT_TIMEOUT, kBlobProbeSeconds);
  return request.perform();
}

Result<std::uint64_t> get_blob(const std::string& url, int file, const FileRoom& room,
                               const TransferStop& stop) {
  BlobRequest request(url, stop);
  BlobDownload download{request.handle(), file, &room};
  request.set(CURLOPT_WRITEFUNCTION, receive_blob);
  request.set(CURLOPT_WRITEDATA, &download);
  if (const Result<void> done = request.perform(); !done) {
    return download.fault.empty() ? done.error() : unusable(download.fault);
  }
  return download.size;
}

Result<void> probe_blob(const std::string& url, const TransferStop& stop) {
  BlobRequest request(url, stop);
  BlobDownload download{request.handle(), -1};
  request.set(CURLOPT_TIMEOUT, kBlobProbeSeconds);
  request.set(CURLOPT_WRITEFUNCTION, receive_blob);
  request.set(CURLOPT_WRITEDATA, &download);
  return request.perform(&download.probed);
}

}  // namespace kyanite
