using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Grammars;

/// <summary>
/// Draws the requests of a grammar. What <c>split_by</c> gives decides the split, so that no evaluation query is ever trained on in another wording.
/// </summary>
internal sealed class RequestSampler(string pack, RequestGrammar grammar)
{
    private readonly Dictionary<string, string[][]> _values = grammar.Slots.ToDictionary(
        s => s.Name,
        s => s.Fields.Count == 0 ? [] : s.Values.Select(v => v.Split('|', StringSplitOptions.TrimEntries)).ToArray(),
        StringComparer.Ordinal
    );

    public SampledRequest Draw(RandomStream random, Split split)
    {
        while (true)
        {
            var values = new Dictionary<string, string>(StringComparer.Ordinal);
            var indices = new Dictionary<string, int>(StringComparer.Ordinal);
            foreach (var slot in grammar.Slots)
                Set(slot, random.NextInt(Group(slot, indices).Count), values, indices);
            var frame = random.Choose(grammar.Frames);
            if (SplitOf(values, indices) == split)
                return new SampledRequest(values, indices, frame, split);
        }
    }

    /// <summary>How many requests of a split have words of their own; counts no further than <paramref name="enough"/>.</summary>
    public int Distinct(Split split, int enough)
    {
        var texts = new HashSet<string>(StringComparer.Ordinal);
        Add(0, new(StringComparer.Ordinal), new(StringComparer.Ordinal));
        return texts.Count;

        // Slot by slot in their order, as they are drawn: a later one may be chosen by an earlier one's value.
        void Add(int slot, Dictionary<string, string> values, Dictionary<string, int> indices)
        {
            if (slot < grammar.Slots.Count)
            {
                var count = Group(grammar.Slots[slot], indices).Count;
                for (var i = 0; i < count && texts.Count < enough; i++)
                {
                    Set(grammar.Slots[slot], i, values, indices);
                    Add(slot + 1, values, indices);
                }

                return;
            }

            if (SplitOf(values, indices) != split)
                return;
            foreach (var frame in grammar.Frames)
                if (texts.Count < enough)
                    texts.Add(Fill(frame, new(values, indices, frame, split)));
        }
    }

    /// <summary>This request with the parts of another that differs in all of them.</summary>
    public SampledRequest Other(SampledRequest request, RandomStream random)
    {
        while (true)
        {
            var other = Draw(random, Split.Train);
            if (grammar.Other.Any(name => other.Indices[name] == request.Indices[name]))
                continue;
            var (values, indices) = (
                new Dictionary<string, string>(request.Values, StringComparer.Ordinal),
                new Dictionary<string, int>(request.Indices, StringComparer.Ordinal)
            );
            foreach (var slot in grammar.Slots.Where(s => grammar.Other.Contains(s.Name)))
                Set(slot, other.Indices[slot.Name], values, indices);
            return request with { Values = values, Indices = indices };
        }
    }

    public Query ToQuery(SampledRequest request)
    {
        var text = Fill(request.Frame, request);
        var letter = request.Split == Split.Train ? 't' : 'e';
        return new Query(
            $"{pack}-{letter}-{Convert.ToHexStringLower(Hash(text).AsSpan(0, 5))}",
            text,
            request.Split,
            grammar.Topic.Length == 0 ? null : Fill(grammar.Topic, request)
        );
    }

    /// <summary>Words that a slot's value is chosen from.</summary>
    public static IReadOnlyList<string> Group(RequestSlot slot, IReadOnlyDictionary<string, int> indices) =>
        slot.By is { } by ? slot.Groups[indices[by]] : slot.Values;

    public string Fill(string template, SampledRequest request) =>
        SlotText.Fill(template, name => Lookup(name, request.Values, request.Indices, threeTiers: false));

    public string? Lookup(string name, IReadOnlyDictionary<string, string> values, IReadOnlyDictionary<string, int> indices, bool threeTiers) =>
        values.TryGetValue(name, out var value) ? value
        : threeTiers && grammar.ThreeTierDefinitions.TryGetValue(name, out var third) ? third
        : grammar.Definitions.TryGetValue(name, out var text) ? text
        : name.EndsWith('#') && indices.TryGetValue(name[..^1], out var index) ? index.ToString(CultureInfo.InvariantCulture)
        : null;

    private void Set(RequestSlot slot, int index, Dictionary<string, string> values, Dictionary<string, int> indices)
    {
        indices[slot.Name] = index;
        var value = Group(slot, indices)[index];
        if (slot.Fields.Count == 0)
            values[slot.Name] = value;
        else
            for (var f = 0; f < slot.Fields.Count; f++)
                values[slot.Fields[f]] = _values[slot.Name][index][f];
    }

    private Split SplitOf(Dictionary<string, string> values, Dictionary<string, int> indices) =>
        Hash(SlotText.Fill(grammar.SplitBy, name => Lookup(name, values, indices, threeTiers: false)))[0] % grammar.EvaluationShare == 0
            ? Split.Evaluation
            : Split.Train;

    private static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}

/// <summary>One request in its parts.</summary>
/// <param name="Values">What each slot holds; a value may itself have slots.</param>
/// <param name="Indices">Number of each slot's value in its list.</param>
internal sealed record SampledRequest(IReadOnlyDictionary<string, string> Values, IReadOnlyDictionary<string, int> Indices, string Frame, Split Split);
