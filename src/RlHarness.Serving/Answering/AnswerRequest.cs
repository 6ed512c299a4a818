using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using RlHarness.Core.Chat;
using RlHarness.Core.Files;

namespace RlHarness.Serving.Answering;

/// <summary>
/// What a client asks for, as OpenAI's chat and text completions spell it. What would change the answer and is not known here is refused; fields that change
/// nothing (<c>user</c>, <c>metadata</c>, <c>store</c>, …) are taken.
/// </summary>
internal sealed record AnswerRequest(string Model, bool IsChat)
{
    /// <summary>OpenAI's own largest numbers.</summary>
    private const int MostAnswers = 128;
    private const int MostTop = 20;
    private const int MostStops = 16;

    /// <summary>Of a chat.</summary>
    public IReadOnlyList<ChatMessage> Messages { get; init; } = [];

    /// <summary>Of a completion: texts, or lists of token ids.</summary>
    public IReadOnlyList<object> Prompts { get; init; } = [];

    public int N { get; init; } = 1;

    public double Temperature { get; init; } = 1;

    public double TopP { get; init; } = 1;

    public int TopK { get; init; }

    public double MinP { get; init; }

    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Null: what the context leaves, up to the server's limit.</summary>
    public int? MaxTokens { get; init; }

    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>The number behind every random number of the answer.</summary>
    public ulong Seed { get; init; }

    public bool Stream { get; init; }

    public bool IncludeUsage { get; init; }

    /// <summary>Alternatives of each token; null: no log-probabilities.</summary>
    public int? TopLogprobs { get; init; }

    /// <summary>As vLLM spells it: each choice has the ids that were drawn, the one that ended it included, and those of its prompt.</summary>
    public bool ReturnTokenIds { get; init; }

    /// <summary>As vLLM spells it: ids that end the answer beside the model's own.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>
    /// Names the random stream of a single answer in place of a seed, as this program's own generation names it: root of the seeds, step, prompt, sample.
    /// </summary>
    public (ulong Root, long Step, long Prompt, long Sample)? RandomStream { get; init; }

    /// <exception cref="ApiError">Not JSON, or a field that is missing, of another type, out of range, or asks for what is not there.</exception>
    public static AnswerRequest Parse(ReadOnlyMemory<byte> body, bool isChat)
    {
        JsonElement root;
        try
        {
            root = TextFile.ParseJson(body, maxDepth: 32);
        }
        catch (JsonException e)
        {
            throw new ApiError(400, $"the body is not JSON: {e.Message}", code: "invalid_json");
        }

        return root.ValueKind == JsonValueKind.Object
            ? Read(root, isChat)
            : throw new ApiError(400, $"the body is {Kind(root)}, expected a JSON object", code: "invalid_json");
    }

    private static AnswerRequest Read(JsonElement root, bool isChat)
    {
        Refuse(root);
        var stream = Flag(root, "stream");
        var usage = root.TryGetProperty("stream_options", out var options) && options.ValueKind == JsonValueKind.Object && Flag(options, "include_usage");
        return new AnswerRequest(Text(root, "model") ?? throw ApiError.Bad("model", "nothing", "a name that /v1/models lists"), isChat)
        {
            Messages = isChat ? ReadMessages(root) : [],
            Prompts = isChat ? [] : ReadPrompts(root),
            N = (int)Whole(root, "n", 1, MostAnswers, 1),
            Temperature = Number(root, "temperature", 0, 100, 1),
            TopP = Number(root, "top_p", 1e-9, 1, 1),
            // -1 is vLLM's own word for all tokens.
            TopK = (int)Math.Max(0, Whole(root, "top_k", -1, int.MaxValue, 0)),
            MinP = Number(root, "min_p", 0, 0.999999, 0),
            RepetitionPenalty = Number(root, "repetition_penalty", 0.01, 100, 1),
            MaxTokens =
                Given(root, "max_completion_tokens") ? (int)Whole(root, "max_completion_tokens", 1, int.MaxValue, 1)
                : Given(root, "max_tokens") ? (int)Whole(root, "max_tokens", 1, int.MaxValue, 1)
                : isChat ? null
                : 16,
            Stop = ReadStops(root),
            Seed = Given(root, "seed") ? (ulong)Whole(root, "seed", long.MinValue, long.MaxValue, 0) : (ulong)RandomNumberGenerator.GetInt32(int.MaxValue),
            ReturnTokenIds = Flag(root, "return_token_ids"),
            StopTokenIds = Given(root, "stop_token_ids") ? Ids(root.GetProperty("stop_token_ids"), "stop_token_ids", "a list of token ids") : [],
            RandomStream = ReadStream(root),
            Stream = stream,
            IncludeUsage = stream && usage,
            TopLogprobs = isChat
                ? Flag(root, "logprobs")
                    ? (int)Whole(root, "top_logprobs", 0, MostTop, 0)
                    : RefuseTop(root)
                : Given(root, "logprobs")
                    ? (int)Whole(root, "logprobs", 0, MostTop, 0)
                    : null,
        };
    }

    private static int? RefuseTop(JsonElement root) =>
        Given(root, "top_logprobs") && Whole(root, "top_logprobs", 0, MostTop, 0) > 0
            ? throw ApiError.Bad("top_logprobs", "a number without logprobs: true", "logprobs: true beside it")
            : null;

    private static void Refuse(JsonElement root)
    {
        foreach (var name in new[] { "tools", "functions", "logit_bias", "modalities", "audio", "prediction" })
            if (root.TryGetProperty(name, out var value) && !IsEmpty(value) && !(name == "modalities" && value.ToString() == "[\"text\"]"))
                throw new ApiError(400, $"{name} is not supported here: leave it out", name, "unsupported_parameter");
        foreach (var name in new[] { "frequency_penalty", "presence_penalty" })
            if (Number(root, name, -2, 2, 0) != 0)
                throw new ApiError(400, $"{name} is not supported here: leave it out, or take repetition_penalty", name, "unsupported_parameter");
        foreach (var name in new[] { "echo" })
            if (Flag(root, name))
                throw new ApiError(400, $"{name} is not supported here: leave it out", name, "unsupported_parameter");
        if (Given(root, "suffix") && Text(root, "suffix") is { Length: > 0 })
            throw new ApiError(400, "suffix is not supported here: leave it out", "suffix", "unsupported_parameter");
        if (Given(root, "best_of") && Whole(root, "best_of", 1, MostAnswers, 1) != Whole(root, "n", 1, MostAnswers, 1))
            throw new ApiError(400, "best_of is not supported here but as n", "best_of", "unsupported_parameter");
        if (
            root.TryGetProperty("response_format", out var format)
            && format.ValueKind == JsonValueKind.Object
            && format.TryGetProperty("type", out var type)
            && type.ToString() != "text"
        )
            throw new ApiError(400, "response_format is not supported here but as text", "response_format", "unsupported_parameter");
    }

    private static List<ChatMessage> ReadMessages(JsonElement root)
    {
        if (!root.TryGetProperty("messages", out var messages) || messages.ValueKind != JsonValueKind.Array || messages.GetArrayLength() == 0)
            throw ApiError.Bad("messages", root.TryGetProperty("messages", out var m) ? Kind(m) : "nothing", "a list of at least one message");
        var read = new List<ChatMessage>();
        foreach (var (message, i) in messages.EnumerateArray().Select((m, i) => (m, i)))
        {
            var at = $"messages[{i}]";
            if (message.ValueKind != JsonValueKind.Object)
                throw ApiError.Bad(at, Kind(message), "an object with role and content");
            var role = message.TryGetProperty("role", out var r) && r.ValueKind == JsonValueKind.String ? r.GetString()! : "";
            role = role switch
            {
                "developer" => "system",
                "system" or "user" or "assistant" => role,
                _ => throw ApiError.Bad($"{at}.role", role.Length == 0 ? "nothing" : role, "system, developer, user or assistant"),
            };
            read.Add(new ChatMessage(role, Content(message, at)));
        }

        return read;
    }

    private static string Content(JsonElement message, string at)
    {
        if (!message.TryGetProperty("content", out var content) || content.ValueKind == JsonValueKind.Null)
            throw ApiError.Bad($"{at}.content", "nothing", "a text");
        if (content.ValueKind == JsonValueKind.String)
            return content.GetString()!;
        if (content.ValueKind != JsonValueKind.Array)
            throw ApiError.Bad($"{at}.content", Kind(content), "a text, or a list of parts of type text");
        return string.Concat(
            content
                .EnumerateArray()
                .Select(part =>
                    part.ValueKind == JsonValueKind.Object
                    && part.TryGetProperty("type", out var type)
                    && type.ToString() == "text"
                    && part.TryGetProperty("text", out var text)
                    && text.ValueKind == JsonValueKind.String
                        ? text.GetString()!
                        : throw ApiError.Bad($"{at}.content", "a part that is not text", "parts of type text: this model reads nothing else")
                )
        );
    }

    private static List<object> ReadPrompts(JsonElement root)
    {
        if (!root.TryGetProperty("prompt", out var prompt))
            throw ApiError.Bad("prompt", "nothing", "a text, token ids, or a list of either");
        if (prompt.ValueKind == JsonValueKind.String)
            return [prompt.GetString()!];
        if (prompt.ValueKind != JsonValueKind.Array || prompt.GetArrayLength() == 0)
            throw ApiError.Bad("prompt", Kind(prompt), "a text, token ids, or a list of either");
        if (prompt.EnumerateArray().All(p => p.ValueKind == JsonValueKind.Number))
            return [Ids(prompt)];
        if (prompt.GetArrayLength() > MostAnswers)
            throw ApiError.Bad("prompt", $"{prompt.GetArrayLength()} prompts", $"at most {MostAnswers}");
        return [.. prompt.EnumerateArray().Select(p => p.ValueKind == JsonValueKind.String ? (object)p.GetString()! : Ids(p))];
    }

    private static int[] Ids(JsonElement list, string name = "prompt", string expected = "a text, token ids, or a list of either") =>
        list.ValueKind == JsonValueKind.Array && list.EnumerateArray().All(i => i.ValueKind == JsonValueKind.Number && i.TryGetInt32(out _))
            ? [.. list.EnumerateArray().Select(i => i.GetInt32())]
            : throw ApiError.Bad(name, Kind(list), expected);

    private static (ulong, long, long, long)? ReadStream(JsonElement root)
    {
        const string Name = "rlharness_stream";
        if (!Given(root, Name))
            return null;
        var list = root.GetProperty(Name);
        return
            list.ValueKind == JsonValueKind.Array
            && list.GetArrayLength() == 4
            && list.EnumerateArray().All(n => n.ValueKind == JsonValueKind.Number)
            && list[0].TryGetUInt64(out var seed)
            && list[1].TryGetInt64(out var step)
            && list[2].TryGetInt64(out var prompt)
            && list[3].TryGetInt64(out var sample)
            && (!Given(root, "n") || Whole(root, "n", 1, MostAnswers, 1) == 1)
            ? (seed, step, prompt, sample)
            : throw ApiError.Bad(Name, list.GetRawText(), "[seed, step, prompt, sample] of one answer");
    }

    private static List<string> ReadStops(JsonElement root)
    {
        if (!Given(root, "stop"))
            return [];
        var stop = root.GetProperty("stop");
        List<string> stops =
            stop.ValueKind == JsonValueKind.String ? [stop.GetString()!]
            : stop.ValueKind == JsonValueKind.Array && stop.EnumerateArray().All(s => s.ValueKind == JsonValueKind.String)
                ? [.. stop.EnumerateArray().Select(s => s.GetString()!)]
            : throw ApiError.Bad("stop", Kind(stop), "a text or a list of texts");
        if (stops.Count > MostStops)
            throw ApiError.Bad("stop", $"{stops.Count} texts", $"at most {MostStops}");
        return stops.Any(s => s.Length == 0) ? throw ApiError.Bad("stop", "an empty text", "texts of at least one character") : stops;
    }

    private static bool Given(JsonElement root, string name) => root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null;

    private static bool IsEmpty(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Null => true,
            JsonValueKind.Array => value.GetArrayLength() == 0,
            JsonValueKind.Object => !value.EnumerateObject().Any(),
            _ => false,
        };

    private static string? Text(JsonElement root, string name) =>
        !Given(root, name) ? null
        : root.GetProperty(name) is { ValueKind: JsonValueKind.String } value ? value.GetString()
        : throw ApiError.Bad(name, Kind(root.GetProperty(name)), "a text");

    private static bool Flag(JsonElement root, string name) =>
        Given(root, name)
        && root.GetProperty(name).ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw ApiError.Bad(name, Kind(root.GetProperty(name)), "true or false"),
        };

    private static double Number(JsonElement root, string name, double low, double high, double otherwise)
    {
        if (!Given(root, name))
            return otherwise;
        var value = root.GetProperty(name);
        var range = string.Create(CultureInfo.InvariantCulture, $"a number from {low} to {high}");
        return value.ValueKind != JsonValueKind.Number ? throw ApiError.Bad(name, Kind(value), range)
            : value.GetDouble() is var number && number >= low && number <= high ? number
            : throw ApiError.Bad(name, value.GetRawText(), range);
    }

    private static long Whole(JsonElement root, string name, long low, long high, long otherwise)
    {
        if (!Given(root, name))
            return otherwise;
        var value = root.GetProperty(name);
        var range = string.Create(CultureInfo.InvariantCulture, $"a whole number from {low} to {high}");
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= low && number <= high
            ? number
            : throw ApiError.Bad(name, value.ValueKind == JsonValueKind.Number ? value.GetRawText() : Kind(value), range);
    }

    private static string Kind(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Object => "an object",
            JsonValueKind.Array => "a list",
            JsonValueKind.String => "a text",
            JsonValueKind.Number => "a number",
            JsonValueKind.Null => "null",
            _ => "true or false",
        };
}
