namespace RlHarness.Experiment.Packs;

/// <summary>One thing that is wrong with a pack.</summary>
/// <param name="Where">File, and line where there is one.</param>
/// <param name="Key">What in it: a key's path, a query's id, or what was checked.</param>
public sealed record PackProblem(string Where, string Key, string Found, string Expected, string Remedy)
{
    public override string ToString() =>
        $"{Where}: {Key}{Environment.NewLine}    found:    {Found}{Environment.NewLine}    expected: {Expected}{Environment.NewLine}    do:       {Remedy}";
}
