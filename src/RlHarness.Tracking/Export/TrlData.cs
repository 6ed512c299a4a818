using System.Text.Json;
using System.Text.Json.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Settings;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Export;

/// <summary>A message of a conversation, as chat data sets hold it.</summary>
internal sealed class TrlMessage
{
    [JsonPropertyName("role")]
    public string Role { get; set; } = "";

    [JsonPropertyName("content")]
    public string Content { get; set; } = "";

    internal static List<TrlMessage> Conversation(string system, string user, string answer) =>
        [new() { Role = "system", Content = system }, new() { Role = "user", Content = user }, new() { Role = "assistant", Content = answer }];
}

/// <summary>A conversation as TRL's supervised trainer takes it, with columns of this program's that trainers leave alone.</summary>
internal sealed class TrlConversation
{
    [JsonPropertyName("messages")]
    public List<TrlMessage> Messages { get; set; } = [];

    [JsonPropertyName("id")]
    public string Id { get; set; } = "";

    [JsonPropertyName("tier")]
    public string Tier { get; set; } = "";

    /// <summary>Of a response of the run; null for what was imitated.</summary>
    [JsonPropertyName("stage")]
    public string? Stage { get; set; }

    [JsonPropertyName("step")]
    public long? Step { get; set; }

    [JsonPropertyName("split")]
    public string? Split { get; set; }

    /// <summary>Label of what was imitated; null for a response, whose labels are in a file of their own.</summary>
    [JsonPropertyName("outcome")]
    public string? Outcome { get; set; }

    [JsonPropertyName("reasoning_kind")]
    public string? ReasoningKind { get; set; }

    internal static TrlConversation Of(TranscriptRow row) =>
        new()
        {
            Messages = TrlMessage.Conversation(row.System, row.User, row.AssistantText),
            Id = row.Id,
            Tier = SettingNames.Snake(row.Tier),
            Stage = row.Stage,
            Step = row.Step,
            Split = SettingNames.Snake(row.Split),
        };

    internal static IEnumerable<TrlConversation> OfCorpus(string path) => CorpusLines.Read(path, line => new TrlConversation
    {
        Messages = TrlMessage.Conversation(line("system")!, line("user")!, line("assistant_text")!),
        Id = line("id")!,
        Tier = line("tier")!,
        Outcome = line("outcome"),
        ReasoningKind = line("reasoning_kind"),
    });
}

/// <summary>A pair as TRL's reward and preference trainers take it: the request, and each answer to it, as messages.</summary>
internal sealed class TrlPreference
{
    [JsonPropertyName("prompt")]
    public List<TrlMessage> Prompt { get; set; } = [];

    [JsonPropertyName("chosen")]
    public List<TrlMessage> Chosen { get; set; } = [];

    [JsonPropertyName("rejected")]
    public List<TrlMessage> Rejected { get; set; } = [];

    [JsonPropertyName("id")]
    public string Id { get; set; } = "";

    internal static IEnumerable<TrlPreference> OfCorpus(string path) => CorpusLines.Read(path, line => new TrlPreference
    {
        Prompt = [new() { Role = "user", Content = line("user")! }],
        Chosen = [new() { Role = "assistant", Content = line("chosen")! }],
        Rejected = [new() { Role = "assistant", Content = line("rejected")! }],
        Id = line("query_id")!,
    });
}

/// <summary>Lines of the files that the corpus stage wrote; none where there is no file.</summary>
internal static class CorpusLines
{
    /// <param name="read">A line, whose fields are asked by name.</param>
    /// <exception cref="HarnessException">A line is cut, or lacks a field.</exception>
    public static IEnumerable<T> Read<T>(string path, Func<Func<string, string?>, T> read)
    {
        if (!File.Exists(path))
            yield break;
        var number = 0;
        foreach (var line in TextFile.Lines(path, "a corpus file"))
        {
            number++;
            T row;
            try
            {
                using var document = JsonDocument.Parse(line);
                var root = document.RootElement;
                row = read(name => root.GetProperty(name).GetString());
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                throw HarnessException.BadFile(path, $"line {number} is not what the corpus stage writes", e.Message, "a line of the run's corpus", inner: e);
            }

            yield return row;
        }
    }
}
