/* Every error that the firmware can return, in one list: the code that is
 * passed up, and the sentence that a person reads. */
#ifndef ES_ERRORS_H
#define ES_ERRORS_H

#define ES_ERRORS(X)                                                                                              \
    X(ES_ERR_ARGUMENT, "an argument is missing or out of range")                                                  \
    X(ES_ERR_SAMPLES, "a clip must have exactly 16,000 samples: pad or cut it first")                             \
    X(ES_ERR_MODEL_TRUNCATED, "the model file ends inside its first 8 bytes: send the whole .tflite")             \
    X(ES_ERR_MODEL_IDENTIFIER, "the file is not a .tflite model: bytes 4 to 7 are not TFL3")                      \
    X(ES_ERR_MODEL_OFFSET, "the model file is damaged: an offset, vector or string leaves the file")              \
    X(ES_ERR_MODEL_VERSION, "the model file's schema version is not 3: convert it with a current TensorFlow")     \
    X(ES_ERR_MODEL_SUBGRAPHS, "the model must have exactly one subgraph: convert it without control flow")        \
    X(ES_ERR_MODEL_LIMIT, "the model has more tensors, operators or dimensions than the firmware holds")          \
    X(ES_ERR_MODEL_IO, "the model must have one int8 input and one int8 output, neither of them constant")        \
    X(ES_ERR_MODEL_SHAPE, "a tensor's shape is empty, negative, dynamic or too large")                            \
    X(ES_ERR_MODEL_TYPE, "a tensor's type is not supported: quantise the model to int8 with int32 biases")        \
    X(ES_ERR_MODEL_BUFFER, "a constant tensor's buffer is missing or has another size than its shape")            \
    X(ES_ERR_MODEL_ORDER, "an operator reads a tensor before it is written, or a tensor is written twice")        \
    X(ES_ERR_MODEL_QUANTISATION, "a tensor's scale or zero point is missing, out of range or unsupported")        \
    X(ES_ERR_OPERATOR_UNSUPPORTED, "the model uses an operator that the firmware does not have")                  \
    X(ES_ERR_OPERATOR_VERSION, "the model uses a newer version of an operator than the firmware knows")           \
    X(ES_ERR_OPERATOR_OPTIONS, "an operator's options are missing, of the wrong kind or out of range")            \
    X(ES_ERR_OPERATOR_INPUTS, "an operator has the wrong number or kind of inputs or outputs")                    \
    X(ES_ERR_OPERATOR_SHAPE, "an operator's tensor shapes do not fit together")                                   \
    X(ES_ERR_ARENA, "the arena is too small or misaligned for the model")                                         \
    X(ES_ERR_INPUT_SIZE, "the input's size is not the model's")                                                   \
    X(ES_ERR_OUTPUT_SIZE, "the output's size is not the model's")                                                 \
    X(ES_ERR_CARD_MISSING, "the model has no metadata entry named earshot: it was not made for this firmware")    \
    X(ES_ERR_CARD_INVALID, "the model card is not an earshot.model/1 document, or a value in it is out of range") \
    X(ES_ERR_CARD_LABELS, "the model card's labels and the model's outputs differ in number")                     \
    X(ES_ERR_FRONTEND, "the model was trained on a front end that this firmware does not compute")                \
    X(ES_ERR_JSON_SYNTAX, "the JSON text is malformed")                                                           \
    X(ES_ERR_JSON_DEPTH, "the JSON text is nested too deeply")                                                    \
    X(ES_ERR_JSON_SIZE, "the JSON text or a string in it is too long")                                            \
    X(ES_ERR_JSON_DUPLICATE, "the JSON text has a key twice")                                                     \
    X(ES_ERR_KEY, "the key is not a P-256 public key in 91-byte SubjectPublicKeyInfo DER")                        \
    X(ES_ERR_SIGNATURE, "the signature is not valid")                                                             \
    X(ES_ERR_IMAGE_HEADER, "the image's MCUboot header is malformed")                                             \
    X(ES_ERR_IMAGE_SIZE, "the image's sizes do not add up")                                                       \
    X(ES_ERR_IMAGE_TLV, "the image's TLVs are malformed, repeated or missing")                                    \
    X(ES_ERR_IMAGE_HASH, "the image's SHA-256 TLV is not its hash")                                               \
    X(ES_ERR_IMAGE_KEY, "the image is signed by another key")                                                     \
    X(ES_ERR_IMAGE_SIGNATURE, "the image's signature is not valid")                                               \
    X(ES_ERR_IMAGE_BOARD, "the image is for another board")                                                       \
    X(ES_ERR_IMAGE_FRONTEND, "the image is for a front end that this firmware does not compute")                  \
    X(ES_ERR_IMAGE_VERSION, "the image's version is not the job document's")                                      \
    X(ES_ERR_IMAGE_COUNTER, "the image's security counter is lower than the confirmed one")                       \
    X(ES_ERR_JOB_MALFORMED, "the job document is malformed")                                                      \
    X(ES_ERR_JOB_SIZE, "the job document is 1024 bytes or longer")                                                \
    X(ES_ERR_JOB_FIELD, "a field of the job document is missing, repeated, too long or not a proper string")      \
    X(ES_ERR_JOB_BOARD, "the job document is for another board")                                                  \
    X(ES_ERR_JOB_IMAGE_SIZE, "the offered image does not fit a slot or has size 1 modulo 4096")                   \
    X(ES_ERR_URL, "the URL is malformed or too long: http://host[:port][/path] is understood")                    \
    X(ES_ERR_TLS, "this port has no TLS: use an http URL")                                                        \
    X(ES_ERR_NET_CONNECT, "the server could not be reached")                                                      \
    X(ES_ERR_NET_TIMEOUT, "the server was too slow")                                                              \
    X(ES_ERR_NET_CLOSED, "the connection ended early")                                                            \
    X(ES_ERR_HTTP_STATUS, "the server's answer has an unexpected status")                                         \
    X(ES_ERR_HTTP_REDIRECT, "the server answered with a redirect, which is refused")                              \
    X(ES_ERR_HTTP_HEADER, "the server's answer has a malformed or repeated header")                               \
    X(ES_ERR_HTTP_HEADER_SIZE, "the header of the server's answer is too long")                                   \
    X(ES_ERR_HTTP_LENGTH, "the answer's Content-Length is missing, wrong or too large")                           \
    X(ES_ERR_HTTP_CHUNKED, "the server's answer has a transfer encoding, which is refused")                       \
    X(ES_ERR_HTTP_RANGE, "the answer's Content-Range is missing or is not the range that was asked for")          \
    X(ES_ERR_DOWNLOAD_SIZE, "the image's size on the server is not the job document's")                           \
    X(ES_ERR_DOWNLOAD_HASH, "the downloaded file's SHA-256 is not the job document's")                            \
    X(ES_ERR_REJECTED_BEFORE, "an image with this digest was rejected before and is not fetched again")           \
    X(ES_ERR_TRIALS, "the model did not survive its trials")                                                      \
    X(ES_ERR_SELF_TEST, "the model failed its self-test")                                                         \
    X(ES_ERR_NO_MODEL, "no confirmed model is on this board: poll first")                                         \
    X(ES_ERR_FLASH, "the flash could not be read, written or erased")                                             \
    X(ES_ERR_FLASH_UNERASED, "a write to flash that is not erased was refused")                                   \
    X(ES_ERR_FLASH_BOUNDS, "an access outside the flash or off its write grid was refused")                       \
    X(ES_ERR_WAV, "the file is not a readable WAV file")                                                          \
    X(ES_ERR_WAV_FORMAT, "the WAV file is not 16 kHz mono 16-bit PCM: convert it first")                          \
    X(ES_ERR_WAV_SIZE, "the WAV file's sizes do not fit the file, or it has no samples")                          \
    X(ES_ERR_TUF_NUMBER, "a number in the update metadata is not an integer: sign it again with integers")        \
    X(ES_ERR_TUF_FIELD, "a field of the update metadata is missing, of the wrong kind or out of range")           \
    X(ES_ERR_TUF_TYPE, "the update metadata is of another role: the repository has mixed up its files")           \
    X(ES_ERR_TUF_SPEC, "the update metadata's spec_version is missing or not 1.x: publish by 1.x")                \
    X(ES_ERR_TUF_LIMIT, "the update metadata has more keys, signatures or entries than ota/tuf/limits.h has")     \
    X(ES_ERR_TUF_KEYID, "a key id stands twice in a role or among signatures: sign again with each key once")     \
    X(ES_ERR_TUF_THRESHOLD, "the update metadata is not signed by enough of its role's keys")                     \
    X(ES_ERR_TUF_ROLLBACK, "the update metadata is older than what was seen: versions must go up")                \
    X(ES_ERR_TUF_VANISHED, "the snapshot lacks an entry that it had before: publish it with all of them")         \
    X(ES_ERR_TUF_VERSION, "the update metadata's version is not the announced one, or not the root's next")       \
    X(ES_ERR_TUF_LENGTH, "the update metadata's length is not the announced one")                                 \
    X(ES_ERR_TUF_HASH, "the update metadata's SHA-256 is not the announced one")                                  \
    X(ES_ERR_TUF_HASH_KIND, "hashes are stated without a sha256: publish with one")                               \
    X(ES_ERR_TUF_ROOT_EXPIRED, "the newest root has expired: sign and publish a new one")                         \
    X(ES_ERR_TUF_TIMESTAMP_EXPIRED, "the timestamp has expired: nothing new was signed or let through")           \
    X(ES_ERR_TUF_SNAPSHOT_EXPIRED, "the announced snapshot has expired: sign and publish a new one")              \
    X(ES_ERR_TUF_TARGETS_EXPIRED, "the announced targets file has expired: sign and publish a new one")           \
    X(ES_ERR_TUF_ABSENT, "the repository lacks a file of update metadata")                                        \
    X(ES_ERR_TUF_NO_ROOT, "no trusted root is stored: install one first")                                         \
    X(ES_ERR_TUF_STORE, "trusted metadata could not be read or stored: check the place where it is kept")         \
    X(ES_ERR_TUF_TARGET, "the targets file does not list this target: publish it first")                          \
    X(ES_ERR_TUF_TARGET_LENGTH, "the target's length is not what the targets file states")                        \
    X(ES_ERR_TUF_TARGET_HASH, "the target's SHA-256 is not what the targets file states")                         \
    X(ES_ERR_TARGET_CUSTOM, "the target's custom lacks board, version, frontend, rollout or size_limit")          \
    X(ES_ERR_TARGET_BOARD, "the target is for another board")                                                     \
    X(ES_ERR_TARGET_ROLLOUT, "the target's rollout has not reached this board yet")

typedef enum {
    ES_OK = 0,
#define ES_ERROR_CODE(code, text) code,
    ES_ERRORS(ES_ERROR_CODE)
#undef ES_ERROR_CODE
        ES_ERR_COUNT
} es_status;

/* The sentence for a code; never NULL. */
const char *es_error_text(int code);

/* The code's name, e.g. "ES_ERR_ARENA"; never NULL. */
const char *es_error_name(int code);

#endif
