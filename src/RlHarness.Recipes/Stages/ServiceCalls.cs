using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// Calls of a service that a step waits for: tried again, each after twice the wait of the one before (1 s, at most a minute), where the failure may pass:
/// statuses 408, 409, 429 and from 500, broken connections, and silence.
/// </summary>
/// <param name="what">What does not answer, in an error's words.</param>
/// <param name="expected">What an answer is, in an error's words.</param>
/// <param name="remedy">What to do where it does not.</param>
/// <param name="timeoutSeconds">Longest wait for one answer.</param>
/// <param name="retries">Further tries after the first.</param>
/// <param name="stop">Ends the waiting.</param>
internal sealed class ServiceCalls(string what, string expected, string remedy, double timeoutSeconds, int retries, CancellationToken stop) : IDisposable
{
    private const int MostQuoted = 300;

    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(timeoutSeconds) };

    /// <summary>Sent with each call from now on.</summary>
    public void Authorize(string key) => _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);

    /// <summary>The body of an answer whose status is a success.</summary>
    /// <exception cref="HarnessException">There is none after all tries.</exception>
    public string Text(HttpMethod method, string address, JsonObject? body)
    {
        for (var tries = 1; ; tries++)
        {
            var (text, failure, passes) = Try(method, address, body);
            if (failure is null)
                return text;
            if (!passes || tries > retries)
                throw new HarnessException(
                    ErrorKind.Resource,
                    $"{address}: {what} does not do what it is asked",
                    $"{failure}, {tries} {(tries == 1 ? "try" : "tries")}",
                    expected,
                    remedy
                );
            stop.WaitHandle.WaitOne(TimeSpan.FromSeconds(Math.Min(60, Math.Pow(2, tries - 1))));
            stop.ThrowIfCancellationRequested();
        }
    }

    /// <summary>The same, as the JSON object that it has to be.</summary>
    public JsonObject Json(HttpMethod method, string address, JsonObject? body)
    {
        var text = Text(method, address, body);
        try
        {
            if (TextFile.ParseJson(Encoding.UTF8.GetBytes(text)) is { ValueKind: JsonValueKind.Object } json)
                return JsonObject.Create(json)!;
        }
        catch (JsonException)
        {
            // The message below says what was found.
        }

        throw new HarnessException(
            ErrorKind.BadInput,
            $"{address}: the answer of {what} is no JSON object",
            text.Length == 0 ? "an empty body" : Quoted(text),
            expected,
            remedy
        );
    }

    public void Dispose() => _client.Dispose();

    /// <summary>A text of an answer; null where there is none, or something else.</summary>
    internal static string? Word(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    /// <summary>The beginning of an answer, for an error.</summary>
    internal static string Quoted(string text) => text[..Math.Min(text.Length, MostQuoted)].Trim();

    private (string Text, string? Failure, bool Passes) Try(HttpMethod method, string address, JsonObject? body)
    {
        try
        {
            using var request = new HttpRequestMessage(method, address);
            if (body is not null)
                request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
            using var reply = _client.Send(request, stop);
            using var reader = new StreamReader(reply.Content.ReadAsStream(stop), Encoding.UTF8);
            var text = reader.ReadToEnd();
            if (reply.IsSuccessStatusCode)
                return (text, null, false);
            var passes =
                (int)reply.StatusCode >= 500 || reply.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout or HttpStatusCode.Conflict;
            return ("", $"{(int)reply.StatusCode} {Quoted(text)}".Trim(), passes);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return ("", e.Message, true);
        }
        catch (TaskCanceledException) when (!stop.IsCancellationRequested)
        {
            return ("", string.Create(CultureInfo.InvariantCulture, $"nothing within {timeoutSeconds} s"), true);
        }
    }
}
