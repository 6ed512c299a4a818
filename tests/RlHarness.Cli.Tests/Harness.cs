using System.Diagnostics;

namespace RlHarness.Cli.Tests;

/// <summary>Runs the program as a person does: as a process of its own.</summary>
internal static class Harness
{
    /// <param name="folder">Working folder.</param>
    /// <param name="args">Command line.</param>
    public static Result Run(string folder, params string[] args) => RunWith(folder, "", args);

    /// <param name="folder">Working folder.</param>
    /// <param name="input">What stands on standard input.</param>
    /// <param name="args">Command line.</param>
    public static Result RunWith(string folder, string input, params string[] args) => RunWith(folder, input, [], args);

    /// <param name="folder">Working folder.</param>
    /// <param name="input">What stands on standard input.</param>
    /// <param name="environment">Variables set for the process.</param>
    /// <param name="args">Command line.</param>
    public static Result RunWith(string folder, string input, (string Name, string Value)[] environment, params string[] args)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet")
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "rlharness.dll"));
        foreach (var arg in args)
            start.ArgumentList.Add(arg);
        foreach (var name in new[] { "RLHARNESS_LIBTORCH", "RLHARNESS_MODELS" })
            start.Environment.Remove(name);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(TimeSpan.FromMinutes(5)), "the program did not end");
        return new(process.ExitCode, output, error.Result);
    }

    internal sealed record Result(int ExitCode, string Output, string Error)
    {
        /// <summary>The error that a person sees: the code, the words, and no stack trace.</summary>
        public void Fails(int code, params string[] words)
        {
            Assert.True(code == ExitCode, $"exit code {ExitCode}, expected {code}\n{Error}\n{Output}");
            Assert.All(words, w => Assert.Contains(w, Error, StringComparison.Ordinal));
            Assert.DoesNotContain("   at ", Output + Error, StringComparison.Ordinal);
            Assert.DoesNotContain("Exception", Output + Error, StringComparison.Ordinal);
        }
    }
}
