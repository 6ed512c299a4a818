namespace RlHarness.Recipes.Settings;

/// <summary>Names of a run's stages, as settings, folders and rows of run.db spell them.</summary>
internal static class StageNames
{
    public const string Corpus = "corpus";
    public const string Documents = "documents";
    public const string Imitate = "imitate";
    public const string Reward = "reward";
    public const string Rl = "rl";
}
