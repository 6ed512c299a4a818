using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;

namespace RlHarness.Models.Loading;

/// <summary>Tensors of a file that the model does not use: most are left over, some change what the others mean.</summary>
internal static class UnusedTensors
{
    /// <summary>Names in the file, in order. What every reader leaves out is not among them.</summary>
    internal static IReadOnlyList<string> Of(ModelLoader.Opened opened)
    {
        var used = Used(opened).Select(disk => disk.Entry).ToHashSet(StringComparer.Ordinal);
        return [.. opened.Weights.Entries.Keys.Where(name => !used.Contains(name) && !IsLeftOver(name, opened)).Order(StringComparer.Ordinal)];
    }

    /// <exception cref="HarnessException">A tensor belongs to a module whose weight is used: a scale, a bias, what a quantisation keeps beside it.</exception>
    internal static void Refuse(ModelLoader.Opened opened, IReadOnlyList<string> unused)
    {
        if (Meaningful(opened, unused) is { Count: > 0 } names)
            throw HarnessException.BadFile(
                opened.Weights.Path,
                "tensors that change the meaning of others, and that the configuration does not name",
                Shown(names),
                "weights without scales, and biases only where config.json asks for them (attention_bias, mlp_bias)",
                "use the model without quantisation, or the config.json that belongs to these weights"
            );
    }

    /// <summary>Those that belong to a module whose weight is used.</summary>
    internal static IReadOnlyList<string> Meaningful(ModelLoader.Opened opened, IReadOnlyList<string> unused)
    {
        var used = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, _) in Used(opened))
        {
            used.Add(name);
            used.Add(name[..name.LastIndexOf('.')]);
        }

        return [.. unused.Where(name => Prefixes(name).Any(used.Contains))];
    }

    /// <summary>One sentence, or nothing.</summary>
    internal static IEnumerable<string> Warning(ModelLoader.Opened opened, IReadOnlyList<string> unused) =>
        unused.Count == 0
            ? []
            : [$"{opened.Weights.Path}: left out what this model does not use, {unused.Count} tensor{(unused.Count == 1 ? "" : "s")}: {Shown(unused)}"];

    // The full layout, also where a model is loaded without its head.
    private static IEnumerable<(string Name, string Entry)> Used(ModelLoader.Opened opened)
    {
        foreach (var disk in new ParameterLayout(opened.Config, fusedOnDisk: opened.Family.FusedOnDisk).Disk)
        {
            var name = opened.IsGguf ? GgufNames.Of(disk.DiskName) : disk.DiskName;
            if (ModelLoader.Find(opened.Weights, name)?.Name is { } entry)
                yield return (entry, entry);
        }
    }

    private static bool IsLeftOver(string name, ModelLoader.Opened opened) =>
        name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal) // a table that older versions of transformers saved
        || (opened.IsGguf && name == GgufNames.RopeFrequencies)
        || name is ScalarHead.Weight or ScalarHead.Bias // the head of a reward model
        || (opened.Config.TieWordEmbeddings && name == ParameterLayout.Head); // the embeddings once more

    // a.b.weight.absmax: a.b.weight, a.b, a; a.b.weight_scale: a.b, a
    private static IEnumerable<string> Prefixes(string name)
    {
        for (var dot = name.LastIndexOf('.'); dot > 0; dot = name.LastIndexOf('.', dot - 1))
            yield return name[..dot];
    }

    private static string Shown(IReadOnlyList<string> names) => string.Join(", ", names.Take(8)) + (names.Count > 8 ? $" and {names.Count - 8} more" : "");
}
