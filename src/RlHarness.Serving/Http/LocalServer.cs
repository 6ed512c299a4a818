using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using RlHarness.Core.Errors;

namespace RlHarness.Serving.Http;

/// <summary>Where a server listens, who may ask it, and what it takes.</summary>
public sealed record ServerOptions
{
    /// <summary>An address of this machine; loopback, so that nobody else reaches it.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>0: one that is free.</summary>
    public int Port { get; init; }

    /// <summary>What a client has to show; <see cref="NewToken"/> makes one that nobody can guess.</summary>
    public required string Token { get; init; }

    /// <summary>Bytes of a request's body, at most.</summary>
    public long MaxBody { get; init; } = 4 << 20;

    /// <summary>Time that requests in hand have to end when the server stops.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(5);

    public static string NewToken() => RandomNumberGenerator.GetHexString(32, lowercase: true);
}

/// <summary>An HTTP server of this process. Handlers are given a token that is cancelled when the client goes or the server stops.</summary>
internal sealed class LocalServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private LocalServer(WebApplication app, Uri address) => (_app, Address) = (app, address);

    public Uri Address { get; }

    /// <param name="handle">Answers a request; the token is that of client and server.</param>
    /// <param name="failed">Answers with an error that the server found: status, and in words what is wrong.</param>
    /// <exception cref="HarnessException">The port is taken, or the address is not this machine's.</exception>
    public static async Task<LocalServer> StartAsync(
        ServerOptions options,
        Func<HttpContext, CancellationToken, Task> handle,
        Func<HttpContext, int, string, Task> failed
    )
    {
        if (!IPAddress.TryParse(options.Host, out var host))
            throw new HarnessException(ErrorKind.BadInput, "--host is not an address", options.Host, "such as 127.0.0.1, ::1 or 0.0.0.0");
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => Configure(kestrel, host, options));
        builder.Services.Configure<HostOptions>(h => h.ShutdownTimeout = options.Grace + TimeSpan.FromSeconds(2));
        var app = builder.Build();
        // Open streams would hold the server up: they are told when it stops, and cut when the time of grace is over.
        var cut = new CancellationTokenSource();
        app.Lifetime.ApplicationStopping.Register(() => cut.CancelAfter(options.Grace));
        app.Run(context => GuardedAsync(context, handle, failed, cut.Token));
        try
        {
            await app.StartAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await app.DisposeAsync().ConfigureAwait(false);
            var taken = e is IOException || e is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse };
            throw new HarnessException(
                ErrorKind.Resource,
                taken ? $"port {options.Port} of {host} is in use" : $"port {options.Port} of {host} can't be listened at",
                e.Message,
                "a port that no other program listens at",
                "give another with --port, or --port 0 for one that is free",
                e
            );
        }

        return new(app, new Uri(app.Urls.First()));
    }

    /// <summary>Token of requests that have no more time: cancelled when the server is to stop at once.</summary>
    public CancellationToken Stopping => _app.Lifetime.ApplicationStopping;

    /// <summary>Whether a request shows the token: as a bearer, or as the password of an address that was clicked.</summary>
    public static bool IsAllowed(string? shown, string token) => shown is not null && CryptographicOperations.FixedTimeEquals(Hash(shown), Hash(token));

    private static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));

    public static string? Bearer(HttpContext context) =>
        context.Request.Headers.Authorization.ToString() is var header && header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
            ? header["Bearer ".Length..].Trim()
            : null;

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync().ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
    }

    private static void Configure(KestrelServerOptions kestrel, IPAddress host, ServerOptions options)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = options.MaxBody;
        kestrel.Limits.MaxConcurrentConnections = 1024;
        kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        kestrel.Listen(host, options.Port, listen => listen.Protocols = HttpProtocols.Http1);
    }

    private static async Task GuardedAsync(
        HttpContext context,
        Func<HttpContext, CancellationToken, Task> handle,
        Func<HttpContext, int, string, Task> failed,
        CancellationToken cut
    )
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, cut);
        try
        {
            await handle(context, both.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client has gone: nobody reads an answer.
        }
        catch (OperationCanceledException)
        {
            await TellAsync(503, "the server is stopping").ConfigureAwait(false);
        }
        catch (Microsoft.AspNetCore.Http.BadHttpRequestException e)
        {
            await TellAsync(e.StatusCode, e.StatusCode == 413 ? "the body is larger than this server takes" : e.Message).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // one request's error must not end the server
        catch (Exception e)
        {
            await TellAsync(500, e is HarnessException ? e.Message : $"a defect of the program: {e.GetType().Name}: {e.Message}").ConfigureAwait(false);
        }
#pragma warning restore CA1031

        async Task TellAsync(int status, string what)
        {
            if (context.Response.HasStarted)
                context.Abort();
            else
                await failed(context, status, what).ConfigureAwait(false);
        }
    }
}
