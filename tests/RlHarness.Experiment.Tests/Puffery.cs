using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;

namespace RlHarness.Experiment.Tests;

/// <summary>The default pack, as it is shipped beside the program.</summary>
internal static class Puffery
{
    public static PromptPack Pack { get; } = PackLibrary.Load(Path.Combine(AppContext.BaseDirectory, "packs", "puffery"));

    public static GrammarFile Grammar => Pack.Grammar!;

    public static CorpusGenerator Generator { get; } = new(Pack);
}
