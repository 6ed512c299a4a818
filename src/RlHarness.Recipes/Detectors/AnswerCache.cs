using System.Text.Json;
using RlHarness.Core.Files;
using RlHarness.Experiment.Detectors;

namespace RlHarness.Recipes.Detectors;

/// <summary>A judge's answers, one small JSON file each, named by a hash of all that was asked. A file that can't be read is asked anew.</summary>
internal sealed class AnswerCache(string folder)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

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
            return JsonSerializer.Deserialize<Entry>(File.ReadAllText(path), Json);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public void Keep(string key, Entry entry) => AtomicFile.WriteAllText(PathOf(key), JsonSerializer.Serialize(entry, Json));

    private string PathOf(string key) => Path.Combine(folder, key[..2], key + ".json");
}
