using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Experiment.Detectors;

namespace RlHarness.Recipes.Detectors;

/// <summary>A judge's answers, one small JSON file each, named by a hash of all that was asked. A file that can't be read is asked anew.</summary>
internal sealed class AnswerCache(string folder)
{
    private static readonly JsonSerializerOptions Json = TextFile.Strict(
        new() { NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals }
    );

    internal sealed record Entry(string Kind, double Yes, string Text, long InputTokens, long OutputTokens)
    {
        public static Entry Of(JudgeAnswer answer, string text, long input, long output) => new(answer.Kind.ToString(), answer.Yes, text, input, output);

        public JudgeAnswer ToAnswer() => new(Yes, Enum.Parse<JudgeAnswerKind>(Kind));
    }

    public Entry? Find(string key)
    {
        var path = PathOf(key);
        if (!File.Exists(path))
            return null;
        try
        {
            var entry = TextFile.ReadJson<Entry>(path, "a judge's answer", "", Json);
            var known = Enum.TryParse<JudgeAnswerKind>(entry.Kind, out var kind) && Enum.IsDefined(kind) && entry.Kind == kind.ToString();
            return known && entry is { Yes: >= 0 and <= 1 or double.NaN, InputTokens: >= 0, OutputTokens: >= 0 } ? entry : null;
        }
        catch (HarnessException)
        {
            return null;
        }
    }

    public void Keep(string key, Entry entry) => AtomicFile.WriteAllText(PathOf(key), JsonSerializer.Serialize(entry, Json));

    private string PathOf(string key) => Path.Combine(folder, key[..2], key + ".json");
}

/// <summary>Counts what a judge is asked, from several threads.</summary>
internal sealed class JudgeCounter(double priceInput = 0, double priceOutput = 0)
{
    private readonly Lock _gate = new();
    private long _questions;
    private long _cached;
    private long _refused;
    private long _unparsable;
    private long _cut;
    private long _wordsOnly;
    private long _input;
    private long _output;

    public JudgeUsage Usage
    {
        get
        {
            lock (_gate)
                return new(_questions, _cached, _refused, _unparsable, _input, _output, ((priceInput * _input) + (priceOutput * _output)) / 1e6)
                {
                    Cut = _cut,
                    WithoutLogprobs = _wordsOnly,
                };
        }
    }

    public void Add(JudgeAnswer answer, long input, long output, bool cached, bool wordOnly = false)
    {
        lock (_gate)
        {
            _questions++;
            if (cached)
                _cached++;
            if (answer.Kind == JudgeAnswerKind.Refused)
                _refused++;
            if (answer.Kind == JudgeAnswerKind.Unparsable)
                _unparsable++;
            if (answer.Kind == JudgeAnswerKind.Cut)
                _cut++;
            if (wordOnly)
                _wordsOnly++;
            if (!cached)
                (_input, _output) = (_input + input, _output + output);
        }
    }
}
