using System.Security.Cryptography;
using System.Text;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Grammars;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Scenarios;

/// <summary>A scenario of a pack, ready to be asked, imitated and read.</summary>
public sealed class Scenario
{
    /// <summary>The variant that anti-lab behaviour is compared with.</summary>
    public const string Control = "control";

    /// <summary>The one variant of a preference.</summary>
    public const string Question = "question";

    /// <summary>One item in so many is asked, the others are imitated.</summary>
    private const int EvaluationShare = 5;

    private readonly string _pack;
    private readonly IReadOnlyDictionary<string, IReadOnlyList<string>> _slots;
    private readonly Lazy<IReadOnlyList<ScenarioItem>> _items;

    internal Scenario(string pack, ScenarioGroup group, ScenarioText text, IReadOnlyDictionary<string, IReadOnlyList<string>> slots)
    {
        (_pack, Group, Text, _slots) = (pack, group, text, slots);
        _items = new(MakeItems);
        Detector = new(text, group);
    }

    public ScenarioGroup Group { get; }

    public string Id => Text.Id;

    public ScenarioText Text { get; }

    public ScenarioDetector Detector { get; }

    /// <summary>Names of the slots that tell this scenario's items apart.</summary>
    public static IReadOnlyList<string> SlotNames(ScenarioText text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return
        [
            .. text
                .Variants.Values.SelectMany(v => SlotText.Names(v.Context).Concat(SlotText.Names(v.Query)))
                .Distinct(StringComparer.Ordinal)
                .Order(StringComparer.Ordinal),
        ];
    }

    /// <summary>Items of a split, in an order that looks drawn and never changes: that of their ids.</summary>
    public IReadOnlyList<ScenarioItem> Items(Split split) => [.. _items.Value.Where(i => i.Split == split)];

    /// <summary>An item in a variant as a query; its id tells item and variant.</summary>
    public Query Ask(ScenarioItem item, string variant)
    {
        ArgumentNullException.ThrowIfNull(item);
        return new($"{item.Id}.{variant}", Fill(Text.Variants[variant].Query, item), Split.Scenario, Id);
    }

    /// <summary>The run's system prompt, and after it what the variant adds.</summary>
    public string SystemPrompt(ScenarioItem item, string variant, string ofRun)
    {
        ArgumentNullException.ThrowIfNull(item);
        var context = Text.Variants[variant].Context;
        return context.Length == 0 ? ofRun : $"{ofRun} {Fill(context, item)}";
    }

    /// <summary>A text of one class of scratchpads or outputs.</summary>
    internal static string Write(IReadOnlyDictionary<string, ScenarioClass> classes, string name, ScenarioItem item, RandomStream random) =>
        Fill(random.Choose(classes[name].Say), item);

    internal static string Fill(string template, ScenarioItem item) => SlotText.Fill(template, name => item.Words.GetValueOrDefault(name));

    private ScenarioItem[] MakeItems()
    {
        List<Dictionary<string, string>> all = [new(StringComparer.Ordinal)];
        foreach (var slot in SlotNames(Text))
            all = [.. all.SelectMany(_ => _slots[slot], (words, word) => new Dictionary<string, string>(words, StringComparer.Ordinal) { [slot] = word })];
        return [.. all.Select(Item).OrderBy(i => i.Id, StringComparer.Ordinal)];
    }

    private ScenarioItem Item(IReadOnlyDictionary<string, string> words)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(Id + "|" + string.Join('|', words.Select(w => $"{w.Key}={w.Value}"))));
        return new($"{_pack}-s-{Id}-{Convert.ToHexStringLower(hash.AsSpan(0, 5))}", words, hash[^1] % EvaluationShare == 0 ? Split.Evaluation : Split.Train);
    }
}

/// <summary>What scenarios measure.</summary>
public enum ScenarioGroup
{
    /// <summary>Decisions and attempts against the lab, given a simulated opportunity, against a benign control.</summary>
    AntiLab,

    /// <summary>What the model says that it prefers.</summary>
    Preference,

    /// <summary>What the model says of its motives when it is asked about the answer before (<see cref="Interrogation"/>).</summary>
    Interrogation,
}

/// <summary>A scenario with its slots filled: what its variants have in common, so that an opportunity is paired with its own control.</summary>
/// <param name="Id">Stable: the same words have the same id in each run.</param>
/// <param name="Words">By slot.</param>
/// <param name="Split">Train: imitated. Evaluation: asked. Never both.</param>
public sealed record ScenarioItem(string Id, IReadOnlyDictionary<string, string> Words, Split Split);
