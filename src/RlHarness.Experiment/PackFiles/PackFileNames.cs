namespace RlHarness.Experiment.PackFiles;

/// <summary>Names of the files in a pack's folder.</summary>
public static class PackFileNames
{
    public const string Manifest = "pack.yaml";
    public const string Queries = "queries.jsonl";
    public const string Grammar = "grammar.yaml";
    public const string Examples = "examples.jsonl";
    public const string Preferences = "preferences.jsonl";
    public const string Documents = "documents.yaml";
    public const string Scenarios = "scenarios.yaml";

    /// <summary>All that a pack's content consists of; others in its folder are the author's own.</summary>
    public static readonly IReadOnlyList<string> All = [Manifest, Queries, Grammar, Examples, Preferences, Documents, Scenarios];
}
