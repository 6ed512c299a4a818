using System.ClientModel;
using System.ClientModel.Primitives;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using OpenAI.Chat;
using RlHarness.Core.Errors;
using RlHarness.Experiment.Detectors;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Detectors;

/// <summary>
/// Calls of one service by the client's protocol methods: what it answers is read as JSON here, since the client's own types throw at finish reasons, dates and
/// bodies that services do send. Whatever may pass is tried again.
/// </summary>
internal sealed class JudgeCalls(ChatClient client, DetectorSettings settings, Action<string> note)
{
    /// <summary>Waits beyond this are told.</summary>
    private static readonly TimeSpan LongWait = TimeSpan.FromSeconds(10);

    /// <exception cref="HarnessException">The service does not answer within the tries, or will not.</exception>
    public JudgeReply Ask(string text, bool logprobs, CancellationToken cancellation)
    {
        for (var tries = 1; ; tries++)
        {
            var (reply, failure) = Try(text, logprobs, cancellation);
            if (reply is not null)
                return reply;
            if (failure!.IsFinal)
                throw Error("the judge at {0} refuses the request", failure, tries, "a request that it takes", "change the settings of the judge, or its key");
            if (tries > settings.Retries)
                throw Error(
                    "the judge at {0} does not answer",
                    failure,
                    tries,
                    $"an answer within {settings.Retries + 1} tries",
                    "mend the service or its key; answers so far are kept, and resume or eval goes on"
                );
            Wait(failure, tries, cancellation);
        }
    }

    private void Wait(Failure failure, int tries, CancellationToken cancellation)
    {
        var wait = failure.RetryAfter ?? TimeSpan.FromSeconds(settings.RetrySeconds * Math.Pow(2, tries - 1));
        if (failure.RetryAfter is { } asked && asked.TotalSeconds > settings.RetryLimitSeconds)
            throw Error(
                "the judge at {0} asks for a long wait",
                failure,
                tries,
                string.Create(CultureInfo.InvariantCulture, $"at most retry_limit_seconds, which is {settings.RetryLimitSeconds}"),
                "go on later with resume or eval: answers so far are kept; or set retry_limit_seconds higher"
            );
        if (wait >= LongWait)
            note(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"the judge at {settings.Endpoint} {(failure.RetryAfter is null ? "fails" : "asks to wait")}: next try in "
                        + $"{wait.TotalSeconds:0} s ({failure.Says})"
                )
            );
        cancellation.WaitHandle.WaitOne(wait);
        cancellation.ThrowIfCancellationRequested();
    }

    private (JudgeReply? Reply, Failure? Failure) Try(string text, bool logprobs, CancellationToken cancellation)
    {
        try
        {
            using var body = BinaryContent.Create(BinaryData.FromString(Request(text, logprobs).ToJsonString()));
            using var response = client
                .CompleteChat(body, new RequestOptions { CancellationToken = cancellation, ErrorOptions = ClientErrorBehaviors.NoThrow })
                .GetRawResponse();
            return Read(response);
        }
        // The client hands on what its connection threw, and a timeout as a cancellation that nobody asked for.
        catch (Exception e) when (!cancellation.IsCancellationRequested && e is not (HarnessException or OutOfMemoryException))
        {
            var inner = e is AggregateException a ? a.InnerExceptions[^1] : e;
            var says =
                inner is OperationCanceledException
                    ? string.Create(CultureInfo.InvariantCulture, $"no answer within timeout_seconds, which is {settings.TimeoutSeconds}")
                    : inner.Message.Split('\n')[0].Trim();
            return (null, new(says, null, IsFinal: false));
        }
    }

    private JsonObject Request(string text, bool logprobs)
    {
        static JsonObject Message(string role, string content) => new() { ["role"] = role, ["content"] = content };
        var request = new JsonObject
        {
            ["model"] = settings.Model,
            ["messages"] = new JsonArray(Message("system", Rubric.System), Message("user", text)),
            ["max_completion_tokens"] = settings.MaxTokens,
            ["temperature"] = settings.AnswerTemperature,
        };
        if (logprobs)
            (request["logprobs"], request["top_logprobs"]) = (true, 20);
        if (settings.Thinking is { } thinking)
            request["chat_template_kwargs"] = new JsonObject { ["enable_thinking"] = thinking };
        return request;
    }

    private static (JudgeReply? Reply, Failure? Failure) Read(PipelineResponse response)
    {
        JsonNode? json = null;
        try
        {
            // Texts are read one by one: a token that was cut inside a character spoils no answer.
            json = JsonNode.Parse(response.Content.ToMemory().Span, documentOptions: new() { AllowDuplicateProperties = false });
        }
        catch (JsonException) { }

        var message = Message(json);
        if (response.Status is < 200 or >= 300)
        {
            var says = $"HTTP {response.Status}{(message is null ? "" : $": {message}")}";
            return (null, new(says, RetryAfter(response), IsFinal: response.Status is < 500 and not (408 or 409 or 425 or 429)));
        }

        if (json is not JsonObject body)
            return (
                null,
                new($"HTTP {response.Status} with a body that is " + $"no JSON: {Short(response.Content.ToString())}", RetryAfter(response), IsFinal: false)
            );
        if (message is not null)
            return (null, new(message, RetryAfter(response), IsFinal: false));
        if (body["choices"] is not JsonArray { Count: > 0 } choices || choices[0] is not JsonObject choice || choice["message"] is not JsonObject said)
            return (null, new($"HTTP {response.Status} without a choice: {Short(body.ToJsonString())}", RetryAfter(response), IsFinal: false));
        return (JudgeReply.Of(body, choice, said), null);
    }

    /// <summary>The service's own sentence: of an error object, a text, or the list of a validation.</summary>
    private static string? Message(JsonNode? json)
    {
        if (json is not JsonObject body)
            return null;
        var error = body["error"] ?? (body.ContainsKey("choices") ? null : body["detail"] ?? body["message"]);
        return error switch
        {
            null => null,
            JsonObject o when o["message"] is { } text => Short(Text(text)),
            _ => Short(Text(error)),
        };
    }

    private static string Text(JsonNode node) => JudgeReply.Word(node) is { Length: > 0 } text ? text : node.ToJsonString();

    private static string Short(string text)
    {
        text = text.ReplaceLineEndings(" ").Trim();
        return text.Length > 300 ? text[..300] + " …" : text;
    }

    private static TimeSpan? RetryAfter(PipelineResponse response)
    {
        if (
            response.Headers.TryGetValue("retry-after-ms", out var ms)
            && double.TryParse(ms, NumberStyles.Float, CultureInfo.InvariantCulture, out var milliseconds)
            && milliseconds >= 0
        )
            return TimeSpan.FromMilliseconds(Math.Min(milliseconds, 1e12));
        if (!response.Headers.TryGetValue("Retry-After", out var value) || value is null)
            return null;
        if (double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds))
            return seconds >= 0 ? TimeSpan.FromSeconds(Math.Min(seconds, 1e9)) : null;
        if (!DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var until))
            return null;
        var now =
            response.Headers.TryGetValue("Date", out var date) && DateTimeOffset.TryParse(date, CultureInfo.InvariantCulture, out var there)
                ? there
                : TimeProvider.System.GetUtcNow();
        return until > now ? until - now : TimeSpan.Zero;
    }

    private HarnessException Error(string what, Failure failure, int tries, string expected, string remedy) =>
        new(
            ErrorKind.Resource,
            string.Format(CultureInfo.InvariantCulture, what, settings.Endpoint),
            failure.Says
                + (failure.RetryAfter is { } wait ? string.Create(CultureInfo.InvariantCulture, $"; Retry-After: {wait.TotalSeconds:0} s") : "")
                + (tries > 1 ? $" (after {tries} tries)" : ""),
            expected,
            remedy
        );

    /// <param name="Says">What the service said, or what happened.</param>
    /// <param name="RetryAfter">The wait that it asks for.</param>
    /// <param name="IsFinal">Asking again gives the same.</param>
    private sealed record Failure(string Says, TimeSpan? RetryAfter, bool IsFinal);
}

/// <summary>One answer of a service.</summary>
/// <param name="FirstToken">The likeliest first tokens with their probabilities; null where the service gave none.</param>
/// <param name="IsCut">The cap on tokens ended it.</param>
internal sealed record JudgeReply(
    string Text,
    bool Refused,
    bool IsCut,
    IReadOnlyList<(string Token, double Probability)>? FirstToken,
    long InputTokens,
    long OutputTokens
)
{
    internal static JudgeReply Of(JsonObject body, JsonObject choice, JsonObject said)
    {
        var finish = Word(choice["finish_reason"]);
        var usage = body["usage"] as JsonObject;
        return new(
            Content(said["content"]),
            finish == "content_filter" || Word(said["refusal"]).Length > 0,
            finish is "length" or "max_tokens",
            First(choice["logprobs"] as JsonObject),
            Number(usage?["prompt_tokens"]),
            Number(usage?["completion_tokens"])
        );
    }

    /// <summary>A text, or a list of parts with texts.</summary>
    private static string Content(JsonNode? content) =>
        content is JsonArray parts ? string.Concat(parts.Select(p => p is JsonObject o ? Word(o["text"]) : Word(p))) : Word(content);

    private static List<(string, double)>? First(JsonObject? logprobs)
    {
        if (logprobs?["content"] is not JsonArray { Count: > 0 } tokens || tokens[0] is not JsonObject first)
            return null;
        IEnumerable<JsonObject> top = first["top_logprobs"] is JsonArray { Count: > 0 } list ? list.OfType<JsonObject>() : [first];
        var read = new List<(string, double)>();
        foreach (var token in top)
            if (token["logprob"] is JsonValue value && value.TryGetValue<double>(out var logprob))
                read.Add((Word(token["token"]), Math.Exp(logprob)));
        return read.Count > 0 ? read : null;
    }

    /// <summary>A text; empty where it is none, as a token is that was cut inside a character.</summary>
    internal static string Word(JsonNode? node)
    {
        try
        {
            return node is JsonValue value && value.TryGetValue<string>(out var text) ? text : "";
        }
        catch (InvalidOperationException)
        {
            return "";
        }
    }

    private static long Number(JsonNode? node) => node is JsonValue value && value.TryGetValue<double>(out var number) && number >= 0 ? (long)number : 0;
}
