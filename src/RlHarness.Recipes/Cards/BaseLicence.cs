using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Cards;

/// <summary>What the files of a run's base model say of its licence: weights that were tuned from it are under it too.</summary>
/// <param name="Id">As the hub names licences (<c>apache-2.0</c>, <c>other</c>); null where the files name none, or there is no base.</param>
/// <param name="Words">A sentence for people.</param>
internal sealed record BaseLicence(string? Id, string Words)
{
    /// <summary>Reads a model card's front matter, a GGUF file's metadata, or says that there is a licence file.</summary>
    internal static BaseLicence Of(RunSettings settings)
    {
        if (settings.Model.Path is not { } name)
            return new(
                null,
                $"There is no base model: these weights were trained from random numbers (seed {settings.Seed}) on text that RlHarness generated from the "
                    + $"prompt pack `{settings.Experiment.Pack}`. Choose a licence before you publish them."
            );
        try
        {
            var path = ModelLibrary.Find(name);
            return Directory.Exists(path) ? OfFolder(path, name) : OfGguf(path, name);
        }
        catch (HarnessException)
        {
            return new(null, $"The base model is `{name}`, which is not at hand any more: see its own card for its licence.");
        }
    }

    private static BaseLicence OfFolder(string folder, string name)
    {
        var card = Path.Combine(folder, "README.md");
        if (File.Exists(card) && FrontMatter(File.ReadLines(card)) is { } id)
            return new(id, $"The base model `{name}` is under the licence `{id}`, by its model card; weights that were tuned from it are too.");
        var gguf = Directory.EnumerateFiles(folder, "*.gguf").Order(StringComparer.Ordinal).FirstOrDefault();
        if (gguf is not null && OfGguf(gguf, name) is { Id: not null } said)
            return said;
        return Directory.EnumerateFiles(folder, "LICEN*").Select(f => Path.GetFileName(f)).FirstOrDefault() is { } file
            ? new("other", $"The base model `{name}` has a file `{file}`, which holds for weights that were tuned from it too: put it beside them.")
            : Unknown(name);
    }

    private static BaseLicence OfGguf(string path, string name)
    {
        using var file = GgufFile.Open(path);
        var link = file.Metadata.GetValueOrDefault("general.license.link") as string;
        return file.Metadata.GetValueOrDefault("general.license") is string { Length: > 0 } id
            ? new(
                id,
                $"The base model `{name}` is under the licence `{id}`{(link is null ? "" : $" ({link})")}, by its file; weights tuned from it are too."
            )
            : Unknown(name);
    }

    private static BaseLicence Unknown(string name) =>
        new(null, $"The base model is `{name}`, whose files name no licence: see where it came from before you publish weights that were tuned from it.");

    private static string? FrontMatter(IEnumerable<string> lines)
    {
        foreach (var (line, at) in lines.Take(200).Select((l, i) => (l.TrimEnd(), i)))
        {
            if (at == 0 ? line != "---" : line == "---")
                return null;
            if (line.StartsWith("license:", StringComparison.Ordinal))
                return line["license:".Length..].Trim().Trim('"', '\'') is { Length: > 0 } id ? id : null;
        }

        return null;
    }
}
