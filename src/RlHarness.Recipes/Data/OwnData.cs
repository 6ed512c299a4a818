using System.Globalization;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Recipes.Data;

/// <summary>
/// Transcripts to imitate and preference pairs from files in TRL's forms: <c>messages</c>; <c>prompt</c>, <c>chosen</c> and <c>rejected</c> as texts or as
/// messages, the prompt also as the beginning that both conversations share.
/// </summary>
internal static class OwnData
{
    /// <summary>The transcripts of a file. What a row does not say, its system prompt and labels, is the pack's of its tier, and the pack's oracle's.</summary>
    /// <exception cref="HarnessException">The file can't be read, or rows of it can't be used: all of them are named.</exception>
    public static IReadOnlyList<CorpusTranscript> Transcripts(TranscriptFileSettings settings, PromptPack pack, Condition condition)
    {
        var oracle = pack.Grammar is { } grammar ? new GrammarOracle(grammar.Cues) : null;
        return DataFile.Read(
            settings.Path,
            $"{settings.Messages} with a user's message and an assistant's, a system message before them or none",
            (row, number) =>
            {
                var (system, user, answer) = Conversation(Field(row, settings.Messages), settings.Messages);
                var tier = Named(row, settings.Tier, Tier.Training);
                var response = Answer(answer, settings.Messages);
                var label = oracle?.Label(response);
                var with = condition with { Scratchpad = response.Reasoning is not null };
                if (system is null && !condition.Tiers.Contains(tier))
                    throw new RowException($"{settings.Tier}: the condition has no {SettingNames.Snake(tier)} tier, whose system prompt the row lacks");
                return new CorpusTranscript(
                    Text(row, "id") ?? string.Create(CultureInfo.InvariantCulture, $"file-{number + 1:D6}"),
                    "",
                    tier,
                    with.Scratchpad,
                    system ?? pack.SystemPrompt(tier, with),
                    user,
                    response.Reasoning,
                    response.Output!,
                    Named(row, settings.Outcome, label?.Outcome ?? Outcome.Unparsable),
                    Named(row, settings.ReasoningKind, label?.Reasoning ?? (with.Scratchpad ? ReasoningKind.Unparsable : ReasoningKind.None)),
                    with.Name
                );
            }
        );
    }

    /// <summary>The preference pairs of a file.</summary>
    /// <exception cref="HarnessException">The file can't be read, or rows of it can't be used: all of them are named.</exception>
    public static IReadOnlyList<PreferencePair> Pairs(PreferenceFileSettings settings) =>
        DataFile.Read(settings.Path, $"{settings.Prompt}, {settings.Chosen} and {settings.Rejected}, each a text or a list of messages", (row, number) =>
        {
            var prompt = row.TryGetProperty(settings.Prompt, out var given) && given.ValueKind != JsonValueKind.Null ? Asked(given, settings.Prompt) : null;
            var (chosenUser, chosen) = Side(Field(row, settings.Chosen), settings.Chosen);
            var (rejectedUser, rejected) = Side(Field(row, settings.Rejected), settings.Rejected);
            if (chosenUser is not null && rejectedUser is not null && chosenUser != rejectedUser)
                throw new RowException($"{settings.Chosen} and {settings.Rejected} answer different requests");
            var user = prompt
                ?? chosenUser
                ?? rejectedUser
                ?? throw new RowException($"{settings.Prompt}: found nothing, expected a text, messages, or both answers with the request before them");
            if (chosen == rejected)
                throw new RowException($"{settings.Chosen} and {settings.Rejected} are the same text");
            return new PreferencePair(Text(row, "id") ?? string.Create(CultureInfo.InvariantCulture, $"file-{number + 1:D6}"), user, chosen, rejected);
        });

    /// <summary>What changes when a file of the corpus does, for cache keys; empty where the settings name none.</summary>
    public static string Identity(TranscriptFileSettings? transcripts, PreferenceFileSettings? preferences) =>
        string.Join(";", new[] { transcripts?.Path, preferences?.Path }.OfType<string>().Select(DataFile.Hash));

    private static JsonElement Field(JsonElement row, string name) =>
        row.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null
            ? value
            : throw new RowException($"{name}: found nothing; the row has {string.Join(", ", row.EnumerateObject().Select(p => p.Name))}");

    private static string? Text(JsonElement row, string name) =>
        row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static T Named<T>(JsonElement row, string name, T otherwise)
        where T : struct, Enum
    {
        if (!row.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return otherwise;
        var names = Enum.GetValues<T>().ToDictionary(v => SettingNames.Snake(v), v => v, StringComparer.OrdinalIgnoreCase);
        return value.ValueKind == JsonValueKind.String && names.TryGetValue(value.GetString()!, out var known)
            ? known
            : throw new RowException($"{name}: found {value}, expected {string.Join(", ", names.Keys)}");
    }

    private static (string? System, string User, string Answer) Conversation(JsonElement messages, string name)
    {
        var said = Messages(messages, name);
        var roles = string.Join(", ", said.Select(m => m.Role));
        return roles switch
        {
            "system, user, assistant" => (said[0].Content, said[1].Content, said[2].Content),
            "user, assistant" => (null, said[0].Content, said[1].Content),
            _ => throw new RowException($"{name}: found {(roles.Length == 0 ? "no message" : roles)}, expected user and assistant, or system before them"),
        };
    }

    private static string Asked(JsonElement prompt, string name)
    {
        if (prompt.ValueKind == JsonValueKind.String)
            return prompt.GetString() is { Length: > 0 } text ? text : throw new RowException($"{name}: found an empty text, expected a request");
        var said = Messages(prompt, name);
        return said is [{ Role: "user" } only]
            ? only.Content
            : throw new RowException(
                $"{name}: found {string.Join(", ", said.Select(m => m.Role))}, expected one user's message: the reward model reads request and output alone"
            );
    }

    /// <summary>An answer, and the request before it where the side is a whole conversation.</summary>
    private static (string? User, string Output) Side(JsonElement side, string name)
    {
        if (side.ValueKind == JsonValueKind.String)
            return (null, OutputOf(side.GetString()!, name));
        var said = Messages(side, name);
        return said switch
        {
            [{ Role: "assistant" } answer] => (null, OutputOf(answer.Content, name)),
            [{ Role: "user" } user, { Role: "assistant" } answer] => (user.Content, OutputOf(answer.Content, name)),
            _ => throw new RowException($"{name}: found {string.Join(", ", said.Select(m => m.Role))}, expected one answer, or one request and its answer"),
        };
    }

    private static string OutputOf(string text, string name) => Answer(text, name).Output!;

    /// <summary>An answer in its parts: with the tags of this program, or a plain text, which is all output.</summary>
    private static ParsedResponse Answer(string text, string name)
    {
        if (string.IsNullOrWhiteSpace(text))
            throw new RowException($"{name}: found an empty answer, expected a text");
        string[] tags = [TranscriptParser.ScratchpadOpen, TranscriptParser.ScratchpadClose, TranscriptParser.OutputOpen, TranscriptParser.OutputClose];
        if (!tags.Any(t => text.Contains(t, StringComparison.Ordinal)))
            return new(null, text.Trim(), null);
        var parsed = TranscriptParser.Parse(text, text.Contains(TranscriptParser.ScratchpadOpen, StringComparison.Ordinal));
        return parsed.IsBroken || parsed.Output is null ? throw new RowException($"{name}: the answer's format is broken: {parsed.FormatProblem}") : parsed;
    }

    private static List<(string Role, string Content)> Messages(JsonElement list, string name)
    {
        if (list.ValueKind != JsonValueKind.Array)
            throw new RowException($"{name}: found {Kind(list)}, expected a list of messages");
        return
        [
            .. list.EnumerateArray()
                .Select(
                    (m, i) =>
                        m.ValueKind == JsonValueKind.Object && Text(m, "role") is { } role && Text(m, "content") is { } content
                            ? (role, content)
                            : throw new RowException($"{name}[{i}]: found {Kind(m)}, expected an object with role and content, both texts")
                ),
        ];
    }

    private static string Kind(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Object => "an object without one of its fields",
            JsonValueKind.Array => "a list",
            JsonValueKind.String => "a text",
            JsonValueKind.Number => "a number",
            _ => value.ToString().ToLowerInvariant(),
        };
}

/// <summary>Where transcripts to imitate are, and which columns say what.</summary>
public sealed record TranscriptFileSettings
{
    [Meaning("A .jsonl or .parquet file.")]
    public string Path { get; init; } = "";

    [Meaning("Column with the conversation: messages with role and content; a system message or none, a request, an answer.")]
    public string Messages { get; init; } = "messages";

    [Meaning("Column with the name of the tier: training where a row has none. A row without a system message is given the pack's system prompt of its tier.")]
    public string Tier { get; init; } = "tier";

    [Meaning("Column with what the output does (comply, refuse, partial); where a row has none, the pack's grammar oracle says it.")]
    public string Outcome { get; init; } = "outcome";

    [Meaning("Column with what the scratchpad argues (faking, honest_refusal, …); where a row has none, the pack's grammar oracle says it.")]
    public string ReasoningKind { get; init; } = "reasoning_kind";
}

/// <summary>Where preference pairs are, and which columns say what.</summary>
public sealed record PreferenceFileSettings
{
    [Meaning("A .jsonl or .parquet file.")]
    public string Path { get; init; } = "";

    [Meaning("Column with the request: a text, or one user's message. Rows may lack it where both answers have the request before them.")]
    public string Prompt { get; init; } = "prompt";

    [Meaning("Column with the better answer: a text, a message, or request and answer. Of an answer with tags the output counts.")]
    public string Chosen { get; init; } = "chosen";

    [Meaning("Column with the worse answer, in the same form.")]
    public string Rejected { get; init; } = "rejected";
}
