using System.Text.Json.Nodes;

namespace RlHarness.Serving.Answering;

/// <summary>An error in OpenAI's form: a status, what is wrong in words, and the parameter that it is about.</summary>
internal sealed class ApiError(int status, string message, string? parameter = null, string? code = null) : Exception(message)
{
    public int Status => status;

    /// <summary>Seconds after which to ask again; null where that would change nothing.</summary>
    public int? RetryAfter { get; init; }

    public JsonObject ToJson() => Json(status, Message, parameter, code);

    public static JsonObject Json(int status, string message, string? parameter = null, string? code = null) =>
        new()
        {
            ["error"] = new JsonObject
            {
                ["message"] = message,
                ["type"] = status switch
                {
                    401 => "authentication_error",
                    429 => "rate_limit_error",
                    >= 500 => "server_error",
                    _ => "invalid_request_error",
                },
                ["param"] = parameter,
                ["code"] = code,
            },
        };

    public static ApiError Bad(string parameter, string found, string expected) =>
        new(400, $"{parameter}: found {found}, expected {expected}", parameter, "invalid_value");
}
