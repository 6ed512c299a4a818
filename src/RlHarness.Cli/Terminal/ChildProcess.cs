using System.Diagnostics;

namespace RlHarness.Cli.Terminal;

/// <summary>Runs this program again, with its console in a log file.</summary>
/// <param name="oneThread">Gives the child one thread: several children share the cores better so.</param>
internal sealed class ChildProcess(bool oneThread)
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(60);

    /// <returns>The child's exit code.</returns>
    internal async Task<int> RunAsync(IReadOnlyList<string> arguments, string log, CancellationToken cancellation)
    {
        var host = Environment.ProcessPath!;
        var start = new ProcessStartInfo(host)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        if (Path.GetFileNameWithoutExtension(host) == "dotnet")
            start.ArgumentList.Add(typeof(ChildProcess).Assembly.Location);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        if (oneThread)
            start.Environment["OMP_NUM_THREADS"] = "1";
        await using var writer = new StreamWriter(log, append: true) { AutoFlush = true };
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = Copy(process.StandardOutput);
        var error = Copy(process.StandardError);
        try
        {
            await process.WaitForExitAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            // The child gets the signal too, and then writes what it has; one that does not end is ended.
            StopSignals.HandOn(process.Id);
            using var patience = new CancellationTokenSource(Grace);
            try
            {
                await process.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync(CancellationToken.None);
            }
        }

        await Task.WhenAll(output, error);
        return process.ExitCode;

        async Task Copy(StreamReader from)
        {
            while (await from.ReadLineAsync(CancellationToken.None) is { } line)
                lock (writer)
                    writer.WriteLine(line);
        }
    }
}
